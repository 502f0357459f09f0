package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// call sends the request of a client. It fails at once while the member cannot
// be reached.
func (g *gate) call(req *http.Request) (*http.Response, error) {
	ctx, f, err := g.admit(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if !endless(req) {
		f.timer = time.AfterFunc(g.config.CallTimeout, func() { f.abort(errSlow) })
	}
	resp, err := send(ctx, req, f.session)
	if err != nil {
		err = g.failed(ctx, req, f, err)
		f.end()
		return nil, err
	}
	g.reportAnswer(f.session, resp)
	resp.Body = &callBody{ReadCloser: resp.Body, gate: g, asked: req, sent: req.WithContext(ctx), flight: f}
	return resp, nil
}

// admit registers a call, or says why the member cannot be called. While a
// probe decides whether it can, admit waits for a moment.
func (g *gate) admit(ctx context.Context) (context.Context, *flight, error) {
	var verdict <-chan time.Time
	for {
		link := g.link()
		if link.Session != nil {
			if ctx, f, ok := g.begin(ctx, link.Session, nil); ok {
				return ctx, f, nil
			}
			continue
		}
		if !link.Suspect {
			return nil, nil, unavailable(g.cluster, link)
		}
		if verdict == nil {
			// From when the suspicion began, so that many calls one after the
			// other do not each wait this long.
			timer := time.NewTimer(suspectTimeout - time.Since(link.Since))
			defer timer.Stop()
			verdict = timer.C
		}
		select {
		case <-link.Changed:
		case <-verdict:
			return nil, nil, unavailable(g.cluster, link)
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// failed makes the error of a call without an answer, and reports it unless
// the caller itself gave up.
func (g *gate) failed(ctx context.Context, req *http.Request, f *flight, err error) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errCut):
		return unavailable(g.cluster, g.link())
	case g.link().State == member.Gone:
		return gone(g.cluster)
	case errors.Is(cause, errSlow):
		err = fmt.Errorf("no answer within %v: %w", g.config.CallTimeout, context.DeadlineExceeded)
	case req.Context().Err() != nil:
		return err
	}
	g.report(f.session, req, err)
	return fmt.Errorf("cluster %q: %w", g.cluster, err)
}

// callBody ends the flight of a call when its answer has been read.
type callBody struct {
	io.ReadCloser
	gate   *gate
	asked  *http.Request
	sent   *http.Request // with the flight's ctx
	flight *flight
}

// Read tells a broken answer from a complete one.
func (b *callBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.gate.failed(b.sent.Context(), b.asked, b.flight, err)
	}
	return n, err
}

// Close may be called at any time, also during Read.
func (b *callBody) Close() error {
	b.flight.end()
	return b.ReadCloser.Close()
}

// reportAnswer tells the connection of an answer that is a reason to ask whether the
// server is there. One that is no API server's came through one, from a Pod, say: the
// connection makes a 503 of all others.
func (g *gate) reportAnswer(s *member.Session, resp *http.Response) {
	if resp.StatusCode < http.StatusBadRequest {
		return
	}
	said := apistatus.Error(resp)
	if m := apistatus.Of(said).Meaning; m.Doubtful() && m != apistatus.Foreign {
		g.conn.Report(s, said)
	}
}
