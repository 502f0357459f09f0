package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"
)

// DefaultAddress is where a program takes commands, unless it is told otherwise.
const DefaultAddress = "127.0.0.1:8082"

// Bounds of one request. A program may take answerWithin beyond what it is told to wait.
const (
	answerWithin = 10 * time.Second
	mostAnswer   = 1 << 20   // bytes of an answer to a command
	mostPage     = 256 << 20 // bytes of a page: that of 5,000 clusters has about 30 MiB
)

// Client asks a running program: at its address, or in its Pod. A follower's answer is
// that the leader is to be asked: then it does so, once, and says on stderr whom it asks.
// It may be used by one goroutine at a time, and by several once it has had an answer.
type Client struct {
	Address string // a URL; empty: the program is in a Pod
	hub     hubFlags
	flags   *pflag.FlagSet // that AddFlag was given
	by      string         // who asks, see addBy; empty: that is not known yet
	opened  *way           // where requests go first; nil: that is not known yet
}

// AddFlag adds --admin, and the flags that say in which Pod the program is.
func (c *Client) AddFlag(f *pflag.FlagSet) {
	c.flags = f
	f.StringVar(&c.Address, "admin", "http://"+DefaultAddress, "where the running program's --admin-bind-address can be reached")
	c.hub.addTo(f)
}

// Post asks for something, and decodes an answer with one of the status codes in as into
// answer. Any other answer is an error. The program may take wait.
func (c *Client) Post(ctx context.Context, stderr io.Writer, path string, query url.Values, wait time.Duration, answer any, as ...int) error {
	return c.ask(ctx, stderr, request{method: http.MethodPost, path: path, query: query, wait: wait, most: mostAnswer, as: as, answer: answer})
}

// Get decodes the page at path into answer.
func (c *Client) Get(ctx context.Context, stderr io.Writer, path string, query url.Values, answer any) error {
	r := page(path, answer)
	r.query = query
	return c.ask(ctx, stderr, r)
}

// Stream returns what the program writes at path, until ctx ends or it is closed.
func (c *Client) Stream(ctx context.Context, stderr io.Writer, path string, query url.Values) (body io.ReadCloser, err error) {
	err = c.ask(ctx, stderr, request{method: http.MethodGet, path: path, query: query, most: mostAnswer, as: []int{http.StatusOK}, stream: &body, notes: stderr})
	return body, err
}

// Begin is Stream of what changes something.
func (c *Client) Begin(ctx context.Context, stderr io.Writer, path string, query url.Values) (body io.ReadCloser, err error) {
	return c.streamBy(ctx, stderr, http.MethodPost, path, query)
}

// way returns where requests go first.
func (c *Client) way(ctx context.Context) (*way, error) {
	if c.opened != nil {
		return c.opened, nil
	}
	inPod := c.Address == ""
	if c.flags != nil && c.hub.isGiven(c.flags) {
		if c.flags.Changed("admin") {
			return nil, &pointlessError{fmt.Errorf("--admin and --%s exclude each other: the program is at an address or in a Pod", c.hub.given(c.flags)[0])}
		}
		inPod = true
	}
	var err error
	if inPod {
		c.opened, err = c.hub.open(ctx)
		return c.opened, err
	}
	base, err := url.Parse(c.Address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, &pointlessError{fmt.Errorf("--admin %q is no URL; give it as http://HOST:PORT", c.Address)}
	}
	c.opened = &way{url: base}
	return c.opened, nil
}

func (c *Client) ask(ctx context.Context, stderr io.Writer, r request) error {
	at, err := c.way(ctx)
	if err != nil {
		return err
	}
	err = r.send(ctx, at)
	follower, ok := errors.AsType[*followerError](err)
	if !ok {
		return err
	}
	leader, why := at.adminOf(ctx, follower.leader)
	if why != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	if err := note(stderr, at, leader); err != nil {
		return err
	}
	return r.send(ctx, leader)
}

// note says whom a Client asks in place of a follower.
func note(stderr io.Writer, follower, leader *way) error {
	at := follower.String()
	if follower.pod == "" {
		at = follower.url.Host
	}
	_, err := fmt.Fprintf(stderr, "%s follows; asking the leader at %s\n", at, leader)
	return err
}
