package httpdest

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
)

const (
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 64 << 10
	// pingAfter is for how long a connection of HTTP/2 is silent before it is tried, and
	// how long the answer to that may take.
	pingAfter = 15 * time.Second
)

// ParseURL reads http[s]://HOST[:PORT][/PATH][?QUERY]. It quotes none of it in an error,
// as it may hold a password.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the URL is none; write http://HOST/PATH or https://HOST/PATH")
	case u.User != nil:
		return nil, errors.New("the URL has a user before its host, which others would see; give credentials in a file")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" || u.Fragment != "":
		return nil, errors.New("the URL is not of the form http://HOST/PATH or https://HOST/PATH")
	}
	return u, nil
}

// Dial says how connections are made.
type Dial struct {
	// TLS is for https.
	TLS credentials.TLS
	// Connections is how many there may be at once, and are kept.
	Connections int
	// Timeout is how long a connection may take, and then TLS.
	Timeout time.Duration
	// Request is how long a request may take.
	Request time.Duration
}

// NewTransport returns what sends requests to a URL. It takes the proxy of the
// environment, follows no redirect, keeps no cookie and unpacks no answer. It reads the
// files that TLS names, again at each handshake.
func NewTransport(u *url.URL, d Dial) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: d.Timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    d.Timeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // an answer of few bytes may not become many
		MaxIdleConnsPerHost:    d.Connections,
		MaxConnsPerHost:        d.Connections,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
	if u.Scheme != "https" {
		return t, nil
	}
	// With HTTP/2 a request that takes too long ends its stream only. Without these pings
	// a connection that has died silently would be used until the kernel gives it up.
	ping := min(d.Request, pingAfter)
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: ping, PingTimeout: ping}
	config, err := d.TLS.For(u.Hostname()).Late()
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = config
	return t, nil
}
