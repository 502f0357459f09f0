package httpdest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
)

// dialTimeout is how long a connection may take, and then TLS.
const dialTimeout = 10 * time.Second

// Options configure a Client.
type Options struct {
	// URL is http[s]://HOST[:PORT]/PATH, without credentials. Required.
	URL string
	// TokenFile holds a bearer token. HeaderFile holds lines of NAME: VALUE. Both may be
	// empty.
	TokenFile, HeaderFile string
	// TLS is for https.
	TLS credentials.TLS
	// Header is sent with each request.
	Header http.Header
	// Gzip compresses bodies.
	Gzip bool
	// Timeout is how long a request may take, with its answer. Required.
	Timeout time.Duration
	// Connections is how many there may be at once. 0 is one.
	Connections int
	// MaxAnswer bounds the body of an answer, in bytes. Required.
	MaxAnswer int
}

// Client sends requests to one URL.
type Client struct {
	o         Options
	url       *url.URL
	header    *headers
	transport *http.Transport
}

// Answer is what the server has answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a client. It reads no file, and connects to nothing.
func New(o Options) (*Client, error) {
	u, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "http" && !o.TLS.IsZero() {
		return nil, errors.New("ca, cert, key and server-name are for TLS; write https:// in place of http://")
	}
	c := &Client{o: o, url: u, header: &headers{tokenFile: o.TokenFile, headerFile: o.HeaderFile, fixed: o.Header}}
	c.transport, err = NewTransport(u, Dial{TLS: o.TLS, Connections: max(o.Connections, 1), Timeout: dialTimeout, Request: o.Timeout})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ReadFiles reads and checks the files. Without it what is wrong with them is an error of each
// Post until they can be read.
func (c *Client) ReadFiles() error {
	if c.url.Scheme == "https" {
		if _, err := c.o.TLS.For(c.url.Hostname()).Config(); err != nil {
			return err
		}
	}
	_, err := c.header.current(time.Now())
	return err
}

// Close ends connections that are not in use.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Target is the URL without its query, for errors.
func (c *Client) Target() string { return c.url.Scheme + "://" + c.url.Host + c.url.EscapedPath() }

// Post sends a body, which nobody may change any more. The error is that of a request
// without an answer.
func (c *Client) Post(ctx context.Context, body []byte) (Answer, error) {
	header, err := c.header.current(time.Now())
	if err != nil {
		return Answer{}, err
	}
	header = header.Clone()
	if c.o.Gzip {
		if body, err = zip(body); err != nil {
			return Answer{}, err
		}
		header.Set("Content-Encoding", "gzip")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fmt.Errorf("there was no complete answer within %v", c.o.Timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header = header
	response, err := c.transport.RoundTrip(request) // which follows no redirect, and keeps no cookie
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Answer{}, c.Error(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read, or is of no use.
	text, err := io.ReadAll(io.LimitReader(response.Body, int64(c.o.MaxAnswer)))
	if err != nil && response.StatusCode < 300 { // of others the status says enough
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Answer{}, c.Error(fmt.Errorf("read the answer: %w", err))
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: text}, nil
}

// Error returns an error with the message of err, fit to be shown.
func (c *Client) Error(err error) error { return c.header.redactor().Error(err) }

func zip(body []byte) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, len(body)/4))
	w, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}
