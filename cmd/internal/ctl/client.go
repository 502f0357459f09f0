package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// DefaultAddress is where a program takes commands, unless it is told otherwise.
const DefaultAddress = "127.0.0.1:8082"

// Bounds of one request. A program may take answerWithin beyond what it is told to wait.
const (
	answerWithin = 10 * time.Second
	mostAnswer   = 1 << 20   // bytes of an answer to a command
	mostPage     = 256 << 20 // bytes of a page: that of 5,000 clusters has about 30 MiB
)

// Client asks a running program. A follower's answer is that the leader is to be asked:
// then it does so, once, and says on stderr whom it asks.
type Client struct{ Address string }

// AddFlag adds --admin.
func (c *Client) AddFlag(f *pflag.FlagSet) {
	f.StringVar(&c.Address, "admin", "http://"+DefaultAddress, "where the running program's --admin-bind-address can be reached")
}

// Post asks for something, and decodes an answer with one of the status codes in as into
// answer. Any other answer is an error. The program may take wait.
func (c *Client) Post(ctx context.Context, stderr io.Writer, path string, query url.Values, wait time.Duration, answer any, as ...int) error {
	return c.ask(ctx, stderr, request{method: http.MethodPost, path: path, query: query, wait: wait, most: mostAnswer, as: as, answer: answer})
}

// Get decodes the page at path into answer.
func (c *Client) Get(ctx context.Context, stderr io.Writer, path string, query url.Values, answer any) error {
	return c.ask(ctx, stderr, request{method: http.MethodGet, path: path, query: query, most: mostPage, as: []int{http.StatusOK}, answer: answer})
}

// Stream returns what the program writes at path, until ctx ends or it is closed.
func (c *Client) Stream(ctx context.Context, stderr io.Writer, path string, query url.Values) (body io.ReadCloser, err error) {
	err = c.ask(ctx, stderr, request{method: http.MethodGet, path: path, query: query, most: mostAnswer, as: []int{http.StatusOK}, stream: &body})
	return body, err
}

// request is one of a Client.
type request struct {
	method, path string
	query        url.Values
	wait         time.Duration
	most         int64 // bytes of the answer
	as           []int // status codes of an answer
	answer       any
	stream       *io.ReadCloser // gets the body of an answer, if it is not nil
}

func (c *Client) ask(ctx context.Context, stderr io.Writer, r request) error {
	base, err := url.Parse(c.Address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("--admin %q is no URL; give it as http://HOST:PORT", c.Address)
	}
	err = r.send(ctx, base)
	follower, ok := errors.AsType[*followerError](err)
	if !ok {
		return err
	}
	if base.Scheme == "https" {
		return fmt.Errorf("%w; it is not asked, since --admin is https, and its own address is not", err)
	}
	leader, why := adminOf(ctx, follower.leader)
	if why != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	if _, err := fmt.Fprintf(stderr, "%s follows; asking the leader at %s\n", base.Host, leader); err != nil {
		return err
	}
	return r.send(ctx, leader)
}

// send sends the request to a program.
func (r request) send(ctx context.Context, to *url.URL) error {
	u := to.JoinPath(r.path)
	u.RawQuery = r.query.Encode()
	if r.stream == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.wait+answerWithin)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), nil)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, u, err)
	}
	if u.Scheme == "http" {
		req.Host = "localhost" // names are refused there: a web page may have made them up
	}
	resp, err := direct().Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w; is fairlead run up there, with this --admin-bind-address? "+
			"Run this command where it runs, in its Pod for one, or name its address with --admin", r.method, u, plain(err))
	}
	if r.stream != nil && slices.Contains(r.as, resp.StatusCode) {
		*r.stream = resp.Body
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.most))
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", r.method, u, err)
	}
	if slices.Contains(r.as, resp.StatusCode) {
		if err := json.Unmarshal(body, r.answer); err == nil {
			return nil
		}
	}
	return refusal(body, fmt.Errorf("%s %s: what answers there (status %d) is not the admin address of fairlead run; name that with --admin", r.method, u, resp.StatusCode))
}

// refusal returns the error that an answer says, or other if it says none.
func refusal(body []byte, other error) error {
	var said api.Error
	if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
		return other
	}
	if len(said.Known) > 0 {
		return errors.New(Visible(said.Error + "; there are: " + strings.Join(said.Known, ", ")))
	}
	err := errors.New(Visible(said.Error))
	if said.Leader != nil {
		return &followerError{err, *said.Leader}
	}
	return err
}

// direct goes to the address that is asked and to no other: it takes no proxy, and
// follows no redirect.
func direct() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// plain is an error of a request without the request.
func plain(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
