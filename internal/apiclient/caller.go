package apiclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// CallerOptions say how a Caller reaches its API server.
type CallerOptions struct {
	// Config says where it is. It is asked before the first request, and again when the
	// server could not be reached or has refused the credentials.
	Config func() (*rest.Config, error)
	// Timeout bounds one request, also while it waits for its turn to connect.
	Timeout time.Duration
	// QPS is how many requests are made per second, Burst how many of them at once after
	// a pause. QPS 0 is no limit.
	QPS   float64
	Burst int
	// Connections is how many requests are under way at once, at most.
	Connections int
	// UserAgent is what the caller calls itself; empty: what the configuration says.
	UserAgent string
}

// Caller makes requests to one API server, the hub. Any goroutine may use it.
type Caller struct {
	o       CallerOptions
	limiter *rate.Limiter // nil: no limit
	secrets *redact.Redactor
	slots   chan struct{} // one in it for each request under way, also those that were given up

	mu    sync.Mutex
	now   *Client // nil: none yet
	stale bool    // the configuration may have changed since
	last  *Client // the one before, of which requests may be under way
}

// NewCaller returns a Caller. It connects to nothing.
func NewCaller(o CallerOptions) *Caller {
	c := &Caller{o: o, secrets: redact.New(), slots: make(chan struct{}, o.Connections)}
	if o.QPS > 0 {
		c.limiter = rate.NewLimiter(rate.Limit(o.QPS), o.Burst)
	}
	return c
}

// current returns the client to use, made of the configuration as it is now if there is
// reason to believe that it has changed.
func (c *Caller) current() (*Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && !c.stale {
		return c.now, nil
	}
	config, err := c.o.Config()
	if err != nil {
		return nil, fmt.Errorf("how to reach the hub is not known: %w", err)
	}
	next, err := New(config, Options{
		Timeout: c.o.Timeout, Connections: cap(c.slots), UserAgent: c.o.UserAgent, Secrets: c.secrets,
	})
	if err != nil {
		return nil, fmt.Errorf("the client configuration of the hub: %w", err)
	}
	c.closeLocked()
	c.now, c.last, c.stale = next, c.now, false
	return next, nil
}

// doubt has the configuration looked at again before the next request.
func (c *Caller) doubt(used *Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = c.stale || used == c.now
}

// Close closes the connections. No request may be under way.
func (c *Caller) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
}

func (c *Caller) closeLocked() {
	for _, old := range []*Client{c.last, c.now} {
		if old != nil {
			old.CloseIdle()
		}
	}
}

// Call is one request.
type Call struct {
	Method, Path string // the path begins with a slash
	Query        url.Values
	ContentType  string // of the body
	Body         []byte
	Accept       string // empty: TypeJSON
}

// The types of bodies.
const (
	TypeJSON      = "application/json"
	TypeJSONPatch = "application/json-patch+json"
	TypeApply     = "application/apply-patch+yaml"
	// TypeMetadata asks for no more than the metadata of what was written.
	TypeMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// Do makes a request once the limit allows it, and returns its answer, of which it reads
// up to so many bytes. What tells of an error is an error as of package apistatus.
func (c *Caller) Do(ctx context.Context, r Call, most int64) ([]byte, error) {
	if c.limiter != nil {
		if err := c.limiter.Wait(ctx); err != nil {
			return nil, err
		}
	}
	web, err := c.current()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fmt.Errorf("no answer within %s", c.o.Timeout))
	defer cancel()
	answer, err := c.exchange(ctx, web, r, most)
	if meaning := apistatus.Of(err).Meaning; err != nil && (meaning == apistatus.None || meaning == apistatus.Unauthorized) {
		c.doubt(web)
	}
	if err != nil && errors.Is(err, ctx.Err()) {
		err = context.Cause(ctx)
	}
	return answer, err
}

// UnderWay returns how many requests are under way, with those that were given up and
// have not ended.
func (c *Caller) UnderWay() int { return len(c.slots) }

// exchange makes a request. It returns when ctx ends, although a credential plugin of
// client-go knows no context; no more of them hang than there are slots.
func (c *Caller) exchange(ctx context.Context, web *Client, r Call, most int64) ([]byte, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("requests before have not ended; does a credential plugin hang? %w", context.Cause(ctx))
	}
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := c.fetch(ctx, web, r, most)
		answers <- answer{text, err}
		<-c.slots
	}()
	select {
	case a := <-answers:
		return a.text, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fetch makes a request and reads its answer.
func (c *Caller) fetch(ctx context.Context, web *Client, r Call, most int64) ([]byte, error) {
	to := web.Base
	to.Path = strings.TrimSuffix(to.Path, "/") + r.Path
	to.RawQuery = r.Query.Encode()
	request, err := http.NewRequestWithContext(ctx, r.Method, to.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("the address of the hub is no URL")
	}
	request.Header.Set("Accept", TypeJSON)
	if r.Accept != "" {
		request.Header.Set("Accept", r.Accept)
	}
	if r.ContentType != "" {
		request.Header.Set("Content-Type", r.ContentType)
	}
	response, err := web.HTTP.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err != nil {
		return nil, c.secrets.Error(err)
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, c.secrets.Error(apistatus.Error(response))
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, c.secrets.Error(Unquoted(err))
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("an answer is larger than %d bytes", most)
	}
	return text, nil
}
