package endpoints

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
)

// maxHeader bounds the header of an answer, in bytes.
const maxHeader = 64 << 10

// Options configure a Client.
type Options struct {
	// URLs are the endpoints, each http[s]://HOST[:PORT], all of one scheme. Required.
	URLs []string
	// Ports are the ports of hosts that have none, by scheme.
	Ports map[string]string
	// TLS is for https.
	TLS credentials.TLS
	// UserAgent names the program to the service. Empty: net/http's.
	UserAgent string
	// Timeout is how long a request usually may take. A connection has to be made in
	// the share of one host. Required.
	Timeout time.Duration
	// MaxAnswer bounds the body of an answer, in bytes. Required.
	MaxAnswer int
	// Unfit reports whether another host may answer better.
	Unfit func(Answer) bool
}

// Request is what is sent.
type Request struct {
	Method string
	Path   string // escaped, with the query if there is one
	Header http.Header
	Body   []byte
	// Once: the request must not be carried out twice.
	Once bool
}

// Answer is what a host has answered.
type Answer struct {
	Host   string // with its port
	Status int
	Header http.Header
	Body   []byte
}

// Client sends requests to the hosts. One goroutine uses it at a time.
type Client struct {
	o         Options
	scheme    string
	hosts     []string
	at        int // of hosts: where the next request begins
	transport *http.Transport
}

// New returns a client. It reads and checks the files of TLS, and connects to nothing.
func New(o Options) (*Client, error) {
	c := &Client{o: o}
	if len(o.URLs) == 0 {
		return nil, errors.New("no endpoint is given")
	}
	for _, text := range o.URLs {
		scheme, host, err := parse(text, o.Ports)
		if err != nil {
			return nil, err
		}
		if c.scheme != "" && scheme != c.scheme {
			return nil, errors.New("some endpoints are of https and some of http; write all of one")
		}
		c.scheme, c.hosts = scheme, append(c.hosts, host)
	}
	dialer, err := newDialer(c.scheme, c.hosts, o)
	if err != nil {
		return nil, err
	}
	c.transport = &http.Transport{
		DialContext:            dialer.dial,
		DialTLSContext:         dialer.dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
	return c, nil
}

// Close closes idle connections. The client may still be used.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Do sends a request and returns the answer, which may be of any status. If no host
// answers, the error tells of each that was tried.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	var answer Answer
	var failed error
	for left := len(c.hosts); left > 0; left-- {
		host := c.hosts[c.at]
		a, err := c.try(ctx, host, r, left)
		if err == nil && (c.o.Unfit == nil || !c.o.Unfit(a)) {
			return a, nil
		}
		c.at = (c.at + 1) % len(c.hosts)
		if err == nil {
			answer = a
		} else {
			failed = join(failed, fmt.Errorf("%s: %w", host, err))
		}
		if ctx.Err() != nil || r.Once && !unsent(err) {
			break
		}
	}
	if answer.Host != "" {
		return answer, nil
	}
	return Answer{}, failed
}

// Avoid has the next request begin with another host than the one of an answer, if there
// is another.
func (c *Client) Avoid(host string) {
	if c.hosts[c.at] == host {
		c.at = (c.at + 1) % len(c.hosts)
	}
}

// join is errors.Join on one line.
func join(a, b error) error {
	if a == nil {
		return b
	}
	return fmt.Errorf("%w; %w", a, b)
}

// try sends the request to one host, with so many left to try, this one included.
func (c *Client) try(ctx context.Context, host string, r Request, left int) (Answer, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 && !r.Once {
		share := time.Until(deadline) / time.Duration(left)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, share, fmt.Errorf("no answer within %v", share.Round(time.Millisecond)))
		defer cancel()
	}
	request, err := http.NewRequestWithContext(withDials(ctx), r.Method, c.scheme+"://"+host+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, errors.New("the request cannot be made of the name and parameters") // the error may hold them
	}
	for name, values := range r.Header {
		request.Header[name] = values
	}
	if c.o.UserAgent != "" {
		request.Header.Set("User-Agent", c.o.UserAgent)
	}
	response, err := c.transport.RoundTrip(request) // which follows no redirect, and keeps no cookie
	if err != nil {
		return Answer{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(c.o.MaxAnswer)+1))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > c.o.MaxAnswer {
		return Answer{}, fmt.Errorf("the answer has more than %d bytes; it is none that was asked for", c.o.MaxAnswer)
	}
	return Answer{Host: host, Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// Text returns the beginning of an answer that was not understood, for an error.
func (a Answer) Text() string {
	return strings.ToValidUTF8(string(a.Body[:min(len(a.Body), 1000)]), "?")
}
