package apiclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	// maxHead bounds the head of an answer, in bytes.
	maxHead = 64 << 10
	// idle is how long a connection stays open that nobody uses.
	idle = time.Minute
)

// Options say how a client connects.
type Options struct {
	// Timeout bounds connecting, and the TLS handshake.
	Timeout time.Duration
	// Connections is how many there are at most.
	Connections int
	// UserAgent is what the client calls itself; empty: what the configuration says.
	UserAgent string
	// Secrets notes the tokens that are sent.
	Secrets *redact.Redactor
}

// Client is a client of one API server.
type Client struct {
	HTTP *http.Client
	Base url.URL // of the API server, without query
	idle func()
}

// New does what client-go would, without its cache of transports. It connects to
// nothing. The bodies of answers are not bounded.
func New(config *rest.Config, o Options) (*Client, error) {
	config = rest.CopyConfig(config)
	if o.UserAgent != "" {
		config.UserAgent = o.UserAgent
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil || base.User != nil {
		return nil, errors.New("its address is no URL like https://HOST:PORT") // which may hold a password
	}
	conf, err := config.TransportConfig()
	if err != nil {
		return nil, fmt.Errorf("its client configuration cannot be used: %w", err)
	}
	c := &Client{Base: *base, idle: func() {}}
	next := conf.Transport
	if next == nil {
		tlsConfig, err := transport.TLSConfigFor(conf)
		if err != nil {
			return nil, fmt.Errorf("its certificates cannot be used: %w", err)
		}
		own := &http.Transport{
			Proxy: conf.Proxy, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: o.Timeout, DialContext: dialer(conf, o.Timeout),
			MaxConnsPerHost: o.Connections, MaxIdleConnsPerHost: o.Connections, IdleConnTimeout: idle,
			MaxResponseHeaderBytes: maxHead, DisableCompression: true,
		}
		if own.Proxy == nil {
			own.Proxy = http.ProxyFromEnvironment
		}
		next, c.idle = own, own.CloseIdleConnections
	}
	if next, err = transport.HTTPWrappersForConfig(conf, &guarded{next: next, secrets: o.Secrets}); err != nil {
		return nil, fmt.Errorf("its credentials cannot be used: %w", err)
	}
	c.HTTP = &http.Client{Transport: next, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() { c.idle() }

// dialer returns how to connect. net/http goes on to connect when the request has been
// given up, and the next one waits for it: so it has a timeout of its own.
func dialer(conf *transport.Config, timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := (&net.Dialer{}).DialContext
	if conf.DialHolder != nil {
		dial = conf.DialHolder.Dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
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
