package clusters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
)

// build makes the HTTP client.
func (c *client) build(config *rest.Config) error {
	built, err := apiclient.New(config, apiclient.Options{Timeout: c.o.Timeout, Connections: 1, UserAgent: c.o.UserAgent, Secrets: c.secrets})
	if err != nil {
		return err
	}
	c.base, c.http, c.idle = built.Base, built.HTTP, built.CloseIdle
	return nil
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
	c.stale = got == nil || apiclient.Rejected(a.err)
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
	if err = apiclient.Unquoted(err); err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer is larger than %d KiB", maxAnswer>>10)
	}
	return answer{response.StatusCode, text, err}
}
