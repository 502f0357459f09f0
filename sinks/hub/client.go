package hub

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

	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// client makes requests to the hub. Any goroutine may use it.
type client struct {
	o       *Options
	limiter *rate.Limiter // nil: no limit
	secrets *redact.Redactor
	slots   chan struct{} // one in it for each request under way, also those that were given up

	mu    sync.Mutex
	now   *apiclient.Client // nil: none yet
	stale bool              // the configuration may have changed since
	last  *apiclient.Client // the one before, of which requests may be under way
}

func newClient(o *Options) *client {
	c := &client{o: o, secrets: redact.New(), slots: make(chan struct{}, o.Connections+1)} // one for who sweeps
	if o.QPS > 0 {
		c.limiter = rate.NewLimiter(rate.Limit(o.QPS), o.Burst)
	}
	return c
}

// current returns the client to use, made of the configuration as it is now if there is
// reason to believe that it has changed.
func (c *client) current() (*apiclient.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil && !c.stale {
		return c.now, nil
	}
	config, err := c.o.Config()
	if err != nil {
		return nil, fmt.Errorf("how to reach the hub is not known: %w", err)
	}
	next, err := apiclient.New(config, apiclient.Options{
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
func (c *client) doubt(used *apiclient.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = c.stale || used == c.now
}

// close closes the connections. No request may be under way.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
}

func (c *client) closeLocked() {
	for _, old := range []*apiclient.Client{c.last, c.now} {
		if old != nil {
			old.CloseIdle()
		}
	}
}

// call is one request.
type call struct {
	method, path string // the path begins with a slash
	query        url.Values
	contentType  string // of the body
	body         []byte
	accept       string
}

// The types of bodies.
const (
	typeJSON      = "application/json"
	typeJSONPatch = "application/json-patch+json"
	typeApply     = "application/apply-patch+yaml"
	// typeMetadata asks for no more than the metadata of what was written.
	typeMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// do makes a request once the limit allows it, and returns its answer, of which it reads
// up to so many bytes. What tells of an error is an error as of package apistatus.
func (c *client) do(ctx context.Context, r call, most int64) ([]byte, error) {
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

// exchange makes a request. It returns when ctx ends, although a credential plugin of
// client-go knows no context; no more of them hang than there are slots.
func (c *client) exchange(ctx context.Context, web *apiclient.Client, r call, most int64) ([]byte, error) {
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
func (c *client) fetch(ctx context.Context, web *apiclient.Client, r call, most int64) ([]byte, error) {
	to := web.Base
	to.Path = strings.TrimSuffix(to.Path, "/") + r.path
	to.RawQuery = r.query.Encode()
	request, err := http.NewRequestWithContext(ctx, r.method, to.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, errors.New("the address of the hub is no URL")
	}
	request.Header.Set("Accept", typeJSON)
	if r.accept != "" {
		request.Header.Set("Accept", r.accept)
	}
	if r.contentType != "" {
		request.Header.Set("Content-Type", r.contentType)
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
		return nil, c.secrets.Error(apiclient.Unquoted(err))
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("an answer is larger than %d bytes", most)
	}
	return text, nil
}
