package clusters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-dev/fairlead/locks"
)

const (
	// maxAnswer bounds what is read of an answer, in bytes. An API server stores up
	// to 256 KiB of annotations; a Lease of a lock has a few.
	maxAnswer = 256 << 10
	// maxHead bounds the head of an answer, in bytes.
	maxHead = 64 << 10
	// idle is how long a connection stays open that nobody uses.
	idle = time.Minute
)

// client is the Lease of one cluster. It has one connection of its own, over HTTP/1.1:
// over HTTP/2 a request that is tried again would go out on the connection that does
// not answer.
type client struct {
	voter Voter
	o     Options
	http  *http.Client // nil: not connected yet
	idle  func()       // closes its idle connections
	base  url.URL      // of the API server
	stale bool         // a request has failed: the credentials may have changed
}

func newClient(v Voter, o Options) *client { return &client{voter: v, o: o} }

func (c *client) close() {
	if c.idle != nil {
		c.idle()
	}
}

// connect makes a client, if there is none or its credentials may have changed.
func (c *client) connect(ctx context.Context) error {
	if c.http != nil && (!c.stale || c.voter.Reload == nil) {
		return nil
	}
	config := c.voter.Config
	if c.voter.Reload != nil {
		reloaded, err := c.voter.Reload()
		if err != nil {
			return err
		}
		config = reloaded
	}
	next := &client{voter: c.voter, o: c.o}
	if err := next.build(config); err != nil {
		return err
	}
	if err := next.identify(ctx); err != nil {
		next.close()
		return err
	}
	c.close()
	*c = *next
	return nil
}

// build does what client-go would, without its cache of transports, which has them
// shared and keeps them for ever.
func (c *client) build(config *rest.Config) error {
	config = rest.CopyConfig(config)
	if c.o.UserAgent != "" {
		config.UserAgent = c.o.UserAgent
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil || base.User != nil {
		return errors.New("its address is no URL like https://HOST:PORT") // which may hold a password
	}
	conf, err := config.TransportConfig()
	if err != nil {
		return fmt.Errorf("its client configuration cannot be used: %w", err)
	}
	next := conf.Transport
	if next == nil {
		tlsConfig, err := transport.TLSConfigFor(conf)
		if err != nil {
			return fmt.Errorf("its certificates cannot be used: %w", err)
		}
		own := &http.Transport{
			Proxy: conf.Proxy, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: c.o.Timeout,
			MaxConnsPerHost: 1, IdleConnTimeout: idle, MaxResponseHeaderBytes: maxHead, DisableCompression: true,
		}
		if own.Proxy == nil {
			own.Proxy = http.ProxyFromEnvironment
		}
		if conf.DialHolder != nil {
			own.DialContext = conf.DialHolder.Dial
		}
		next, c.idle = own, own.CloseIdleConnections
	}
	if next, err = transport.HTTPWrappersForConfig(conf, next); err != nil {
		return fmt.Errorf("its credentials cannot be used: %w", err)
	}
	c.base = *base
	c.http = &http.Client{Transport: next, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// identify makes sure that this is the cluster that is meant.
func (c *client) identify(ctx context.Context) error {
	if c.voter.UID == "" {
		return nil
	}
	var ns corev1.Namespace
	if err := c.do(ctx, http.MethodGet, "/api/v1/namespaces/kube-system", nil, &ns); err != nil {
		return fmt.Errorf("ask the cluster for its UID: %w", err)
	}
	if ns.UID != c.voter.UID {
		return fmt.Errorf("it is another cluster: its UID is %s, and not %s", shown(string(ns.UID)), c.voter.UID)
	}
	return nil
}

func (c *client) leases() string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + c.o.Namespace + "/leases"
}

// read implements register.
func (c *client) read(ctx context.Context) (*coordinationv1.Lease, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	lease := &coordinationv1.Lease{}
	err := c.do(ctx, http.MethodGet, c.leases()+"/"+c.o.Name, nil, lease)
	if e, ok := errors.AsType[*refusal](err); ok && e.reason == metav1.StatusReasonNotFound {
		return nil, nil
	}
	return checked(lease, err)
}

// swap implements register.
func (c *client) swap(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	lease.APIVersion, lease.Kind = "coordination.k8s.io/v1", "Lease"
	body, err := json.Marshal(lease)
	if err != nil {
		return nil, err
	}
	method, path := http.MethodPost, c.leases()
	if lease.ResourceVersion != "" {
		method, path = http.MethodPut, path+"/"+lease.Name
	}
	got := &coordinationv1.Lease{}
	err = c.do(ctx, method, path, body, got)
	if e, ok := errors.AsType[*refusal](err); ok && e.changed(method) {
		return nil, locks.ErrChanged
	}
	return checked(got, err)
}

// checked refuses what cannot be compared later.
func checked(lease *coordinationv1.Lease, err error) (*coordinationv1.Lease, error) {
	if err == nil && (lease.UID == "" || lease.ResourceVersion == "") {
		err = errors.New("the answer is no Lease")
	}
	if err != nil {
		return nil, err
	}
	return lease, nil
}

// do makes one request.
func (c *client) do(ctx context.Context, method, path string, body []byte, into any) error {
	to := c.base
	to.Path = singleSlash(to.Path) + path
	request, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	status, text, err := c.exchange(request)
	if err != nil {
		c.stale = true
		return err
	}
	if status < 200 || status > 299 {
		refused := refusalOf(status, text)
		c.stale = refused.code == http.StatusUnauthorized || refused.code == http.StatusForbidden
		return refused
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("the answer is not what was asked for; is this a Kubernetes API server?")
	}
	return nil
}

// exchange returns the status code and the body of an answer.
func (c *client) exchange(request *http.Request) (status int, text []byte, err error) {
	response, err := c.http.Do(request)
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
		_ = response.Body.Close()
	}
	if cause := context.Cause(request.Context()); err != nil && cause != nil {
		return 0, nil, cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d KiB", maxAnswer>>10)
	}
	if err != nil {
		return 0, nil, err
	}
	return response.StatusCode, text, nil
}
