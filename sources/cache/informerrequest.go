package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// The delays between attempts of an informer's request that a member refuses
// although it is well.
const (
	retryMin = 500 * time.Millisecond
	retryMax = 30 * time.Second
)

// sendForInformer sends an informer's request, and sends it again until there is an
// answer that the informer can use. So an outage is one pending request to it:
// it does not list again, backs off from nothing, and logs nothing.
func (g *gate) sendForInformer(req *http.Request, i *informer) (*http.Response, error) {
	ctx, stop := context.WithCancel(req.Context())
	w := &informerRequest{
		gate: g, informer: i, req: req.WithContext(ctx), watch: isWatch(req), began: time.Now(),
		delays: retry.NewBackOff(retryMin, retryMax),
	}
	resp, f, err := w.open()
	if f != nil && w.watch {
		resp.Body = &watchBody{request: w, stop: stop, kind: resp.Header.Get("Content-Type"), body: resp.Body, flight: f}
		return resp, nil
	}
	if f != nil {
		f.end() // a list has been read
	}
	stop()
	return resp, err
}

// informerRequest is one request of an informer and all attempts to have it answered.
type informerRequest struct {
	gate     *gate
	informer *informer
	req      *http.Request
	watch    bool
	began    time.Time // when the informer sent it
	delays   *backoff.ExponentialBackOff
	outage   bool // since it was last false, the gate was shut
}

// open returns an answer and, if it can be used, its flight; that of a list has
// been read whole.
func (w *informerRequest) open() (*http.Response, *flight, error) {
	ctx := w.req.Context()
	for {
		s, err := w.wait(ctx)
		if err != nil {
			return nil, nil, err
		}
		if w.foreign(s) {
			return expired(w.req), nil, nil
		}
		fctx, f, ok := w.gate.begin(ctx, s, w.informer)
		if !ok {
			continue
		}
		w.informer.try(s)
		back, err := w.wentBack(fctx, f)
		if back {
			f.end()
			return expired(w.req), nil, nil
		}
		var resp *http.Response
		var retryAfter time.Duration
		if err == nil {
			resp, retryAfter, err = w.attempt(fctx, f, w.req)
		}
		switch {
		case err == nil && resp.StatusCode == http.StatusOK:
			w.listed(s)
			if w.watch {
				w.informer.opened(f)
			} else {
				w.informer.heard()
				w.informer.opened(nil)
			}
			return resp, f, nil
		case err == nil:
			f.end()
			return resp, nil, nil
		}
		cut := errors.Is(context.Cause(fctx), errCut)
		f.end()
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if cut {
			continue
		}
		w.informer.fail(shown(err, s))
		if err := w.pause(ctx, s, retryAfter); err != nil {
			return nil, nil, err
		}
	}
}

// wait returns the session to send with, once there is one.
func (w *informerRequest) wait(ctx context.Context) (*member.Session, error) {
	for {
		link := w.gate.link()
		if link.Session != nil {
			return link.Session, nil
		}
		if !w.outage && !link.Suspect {
			w.outage = true
			w.informer.shut()
		}
		select {
		case <-link.Changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pause puts off the next attempt, unless there was an outage meanwhile: then
// the gate was what to wait for.
func (w *informerRequest) pause(ctx context.Context, s *member.Session, retryAfter time.Duration) error {
	w.outage = false
	now, err := w.wait(ctx)
	if err != nil {
		return err
	}
	if w.outage || now != s {
		w.delays.Reset()
		return nil
	}
	delay := w.delays.NextBackOff()
	if retryAfter > 0 {
		delay = max(delay, retryAfter+rand.N(retryAfter/10+1))
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.Changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// attempt sends a request once, the informer's own or one beside it. An error is one that another attempt may
// cure; any other answer is for the informer.
func (w *informerRequest) attempt(ctx context.Context, f *flight, req *http.Request) (*http.Response, time.Duration, error) {
	limit := w.gate.config.CallTimeout
	timer := time.AfterFunc(limit, func() { f.abort(errSlow) })
	defer timer.Stop()
	resp, err := send(ctx, req, f.session)
	if err == nil && resp.StatusCode == http.StatusOK && !isWatch(req) {
		resp, err = whole(resp)
	}
	if err != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errCut):
			return nil, 0, err
		case errors.Is(cause, errSlow):
			err = fmt.Errorf("no answer within %v: %w", limit, context.DeadlineExceeded)
		case ctx.Err() != nil:
			return nil, 0, err
		}
		w.gate.report(f.session, req, err)
		return nil, 0, err
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp, 0, nil
	}
	said := apistatus.Error(resp)
	answer := apistatus.Of(said)
	if forInformer(answer) {
		return resp, 0, nil
	}
	_ = resp.Body.Close()
	// What is no Status has come through an API server, as its 404 for a resource that is
	// gone: the connection makes a 503 of all others.
	if answer.Meaning.Doubtful() && answer.Meaning != apistatus.Foreign {
		w.gate.conn.Report(f.session, said)
	}
	return nil, answer.RetryAfter, refusalError(said)
}

// forInformer tells whether an answer goes to the informer, which does something
// else then: it lists anew, in another way or from elsewhere. All others are waited
// out here. An API server that refuses a request in plain text means it as in a Status.
func forInformer(a apistatus.Answer) bool {
	switch a.Meaning {
	case apistatus.TooNew, apistatus.Expired, apistatus.Rejected:
		return true
	case apistatus.Foreign:
		return a.Code == http.StatusBadRequest || a.Code == http.StatusMethodNotAllowed ||
			a.Code == http.StatusGone || a.Code == http.StatusUnprocessableEntity
	}
	return false
}

func refusalError(said *apierrors.StatusError) error {
	code := int(said.ErrStatus.Code)
	text := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if said.ErrStatus.Message != "" && apistatus.ByKubernetes(said) {
		text += ": " + said.ErrStatus.Message // whole: half a token would not be recognised
	}
	return refused(text)
}

// refused is the error of a request that the server has answered.
type refused string

func (r refused) Error() string { return string(r) }

// whole reads an answer, as the rest client would, but here a broken one can
// be asked for again.
func whole(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
