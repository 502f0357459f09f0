package clusters

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

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
			Proxy: conf.Proxy, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: c.o.Timeout, DialContext: c.dialer(conf),
			MaxConnsPerHost: 1, IdleConnTimeout: idle, MaxResponseHeaderBytes: maxHead, DisableCompression: true,
		}
		if own.Proxy == nil {
			own.Proxy = http.ProxyFromEnvironment
		}
		next, c.idle = own, own.CloseIdleConnections
	}
	if next, err = transport.HTTPWrappersForConfig(conf, &guarded{next: next, secrets: c.secrets}); err != nil {
		return fmt.Errorf("its credentials cannot be used: %w", err)
	}
	c.base = *base
	c.http = &http.Client{Transport: next, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return nil
}

// dialer returns how to connect. net/http goes on to connect when the request has been
// given up, and the next one waits for it: so it has a timeout of its own.
func (c *client) dialer(conf *transport.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := (&net.Dialer{}).DialContext
	if conf.DialHolder != nil {
		dial = conf.DialHolder.Dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &connection{conn}, nil
	}
}

// connection is one that can be told from others, of whatever type it is.
type connection struct{ net.Conn }

// guarded is a transport whose errors do not show what the server has sent, because that
// may be what it was sent.
type guarded struct {
	next    http.RoundTripper
	secrets *redact.Redactor
}

func (g *guarded) RoundTrip(request *http.Request) (*http.Response, error) {
	_, secret, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	g.secrets.Note(secret)
	response, err := g.next.RoundTrip(request)
	return response, unquoted(err)
}

// CloseIdleConnections is for client-go, which closes them when certificates change.
func (g *guarded) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// unquoted returns an error of a connection. One of the protocol may quote what the
// server has sent, so another one takes its place.
func unquoted(err error) error {
	var (
		connection  net.Error
		certificate *tls.CertificateVerificationError
		noTLS       tls.RecordHeaderError
	)
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
	case errors.As(err, &connection), errors.As(err, &certificate), errors.As(err, &noTLS):
	default:
		return errors.New("it does not answer as an HTTP server does; is it an API server, and the proxy right?")
	}
	return err
}

// rejected reports whether the other end has ended the TLS connection, as it does when
// it wants another certificate.
func rejected(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}

// answer is what a request comes to.
type answer struct {
	status int
	text   []byte
	err    error
}

// exchange returns the status code and the body of an answer. It returns when the
// request's context ends, although a credential plugin of client-go knows no context.
// There is one exchange at a time, so no more than one plugin hangs.
func (c *client) exchange(request *http.Request) (status int, text []byte, err error) {
	ctx := request.Context()
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return 0, nil, fmt.Errorf("the request before has not ended; does a credential plugin hang? %w", context.Cause(ctx))
	}
	var on atomic.Pointer[net.Conn]
	request = request.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { on.Store(&got.Conn) },
	}))
	answers := make(chan answer, 1)
	go func(web *http.Client, busy <-chan struct{}) { // close waits for it
		answers <- fetch(web, request)
		<-busy
	}(c.http, c.busy)
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = context.Cause(ctx)
	}
	got := on.Load()
	if a.err == nil {
		if c.on = nil; got != nil {
			c.on = *got
		}
		return a.status, a.text, nil
	}
	c.stale = got == nil || rejected(a.err)
	if cause := context.Cause(ctx); cause != nil {
		return 0, nil, cause
	}
	return 0, nil, errors.New(c.secrets.Text(a.err))
}

// fetch makes a request.
func fetch(web *http.Client, request *http.Request) answer {
	response, err := web.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err != nil {
		return answer{err: err}
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	_ = response.Body.Close()
	if err = unquoted(err); err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d KiB", maxAnswer>>10)
	}
	return answer{response.StatusCode, text, err}
}
