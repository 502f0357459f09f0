package clusters

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/locks"
)

// maxAnswer bounds what is read of an answer, in bytes. An API server stores up
// to 256 KiB of annotations; a Lease of a lock has a few.
const maxAnswer = 256 << 10

// client is the Lease of one cluster. It has one connection of its own, over HTTP/1.1:
// over HTTP/2 a request that is tried again would go out on the connection that does
// not answer.
type client struct {
	voter   Voter
	o       Options
	secrets *redact.Redactor
	busy    chan struct{} // full while a request is under way, also one that was given up
	http    *http.Client  // nil: not connected yet
	idle    func()        // closes its idle connections
	base    url.URL       // of the API server
	meant   bool          // it is the cluster that is meant, at the connection known
	// known is the connection at which the cluster has shown its UID, on the one that the
	// last answer has come over. Both are nil with a transport that tells of none.
	known, on net.Conn
	// stale: the last request has got no connection, or was refused, or it is another
	// cluster. The configuration may have changed.
	stale bool
}

func newClient(v Voter, o Options) *client {
	return &client{voter: v, o: o, secrets: redact.New(), busy: make(chan struct{}, 1)}
}

// close waits for a request that was given up, for one timeout at most, and closes the
// connection.
func (c *client) close() {
	limit := time.NewTimer(c.o.Timeout)
	defer limit.Stop()
	select {
	case c.busy <- struct{}{}:
	case <-limit.C: // a credential plugin hangs
	}
	c.disconnect()
}

func (c *client) disconnect() {
	if c.idle != nil {
		c.idle()
	}
}

// connect makes a client, if there is none or its configuration may have changed, and
// makes sure that it is the cluster that is meant. What has succeeded is not done again
// for the next request, so that a slow cluster gets there.
func (c *client) connect(ctx context.Context) error {
	if c.http == nil || c.stale && c.voter.Reload != nil {
		if err := c.reload(ctx); err != nil {
			return err
		}
	}
	if c.meant {
		return nil
	}
	return c.identify(ctx)
}

// reload makes a client of the configuration as it is now.
func (c *client) reload(ctx context.Context) error {
	config := c.voter.Config
	if c.voter.Reload != nil {
		ctx, cancel := bounded(ctx, c.o.Timeout)
		defer cancel()
		reloaded, err := c.voter.Reload(ctx)
		if err != nil {
			return err
		}
		config = reloaded
	}
	next := &client{voter: c.voter, o: c.o, secrets: c.secrets, busy: c.busy}
	if err := next.build(config); err != nil {
		return err
	}
	c.disconnect()
	*c = *next
	return nil
}

// identify makes sure that this is the cluster that is meant. It has a timeout of its own:
// what is left of another request's may be too little.
func (c *client) identify(ctx context.Context) error {
	if c.meant = c.voter.UID == ""; c.meant {
		return nil
	}
	ctx, cancel := bounded(ctx, c.o.Timeout)
	defer cancel()
	var ns corev1.Namespace
	if err := c.do(ctx, http.MethodGet, "/api/v1/namespaces/kube-system", nil, &ns); err != nil {
		return fmt.Errorf("ask the cluster for its UID: %w", err)
	}
	c.known = c.on
	if c.meant = ns.UID == c.voter.UID; !c.meant {
		c.stale = true
		return fmt.Errorf("it is another cluster: its UID is %s, and not %s", shown(string(ns.UID)), c.voter.UID)
	}
	return nil
}

// ask makes a request about the Lease. An answer that has come over another connection
// than the one at which the cluster has shown its UID may be another cluster's: the
// address may lead there by now. It counts once that connection has shown the UID.
func (c *client) ask(ctx context.Context, method, path string, body []byte, into any) error {
	err := c.do(ctx, method, path, body, into)
	if _, refused := errors.AsType[*refusal](err); err != nil && !refused {
		return err
	}
	on := c.on
	if c.voter.UID == "" || on == c.known {
		return err
	}
	if err := c.identify(ctx); err != nil {
		return err
	}
	if c.known != on {
		return errors.New("the connection was lost before the cluster has shown its UID there")
	}
	return err
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
	err := c.ask(ctx, http.MethodGet, c.leases()+"/"+c.o.Name, nil, lease)
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
	err = c.ask(ctx, method, path, body, got)
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
