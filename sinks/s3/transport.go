package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/httpdest"
)

const (
	// maxAnswer bounds the body of an answer, in bytes. Those of errors have less than a
	// thousand.
	maxAnswer   = 64 << 10
	dialTimeout = 10 * time.Second
)

// transport sends requests. It uses no proxy of the environment, bounds answers, and
// notes what Retry-After asks for.
type transport struct {
	*http.Transport
	configOf func(host string) (*tls.Config, error)

	mu      sync.Mutex
	configs map[string]*tls.Config // by host: each keeps the last good files
}

func newTransport(configOf func(host string) (*tls.Config, error)) *transport {
	t := &transport{configOf: configOf, configs: map[string]*tls.Config{}}
	t.Transport = &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		DialTLSContext:         t.dialTLS,
		MaxIdleConnsPerHost:    maxPuts,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
	return t
}

// client returns a client that follows no redirect.
func (t *transport) client() *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip sends one request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if h, ok := r.Context().Value(hintKey{}).(*hint); ok {
		h.note(response.Header.Get("Retry-After"))
	}
	response.Body = &bounded{response.Body, maxAnswer}
	return response, nil
}

func (t *transport) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config, err := t.config(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
}

func (t *transport) config(host string) (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.configs[host]; c != nil {
		return c, nil
	}
	configOf := t.configOf
	if configOf == nil { // a service of keys, which has TLS where the store has none
		configOf = func(host string) (*tls.Config, error) {
			return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}, nil
		}
	}
	c, err := configOf(host)
	if err != nil {
		return nil, err
	}
	t.configs[host] = c
	return c, nil
}

// bounded is a body that fails where it is too long.
type bounded struct {
	io.ReadCloser
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the answer is longer than any that was asked for")
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// hint is what the header of an answer says beside the error.
type hint struct{ delay atomic.Int64 }

type hintKey struct{}

// withHint returns a context for one request, and what its answer will have said.
func withHint(ctx context.Context) (context.Context, *hint) {
	h := &hint{}
	return context.WithValue(ctx, hintKey{}, h), h
}

// note reads Retry-After.
func (h *hint) note(text string) { h.delay.Store(int64(httpdest.RetryAfter(text, time.Now()))) }

func (h *hint) retryAfter() time.Duration { return time.Duration(h.delay.Load()) }
