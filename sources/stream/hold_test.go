package stream

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// lingerer is a route's queue whose lane is full at each change, for a time of its own.
type lingerer struct {
	full  time.Duration
	since time.Time // of the test: before that it has room
	held  time.Duration
}

func (q *lingerer) TryOffer(*pipeline.Change, int) error {
	if q.since.IsZero() {
		return nil
	}
	return queue.ErrFull
}

func (q *lingerer) Offer(ctx context.Context, _ *pipeline.Change, _ int) error {
	began := time.Now()
	defer func() { q.held += time.Since(began) }()
	select {
	case <-time.After(q.full):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WaitRoom keeps a route that has left where it is.
func (q *lingerer) WaitRoom(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// A route whose lane is full for moments holds the others up for a second in all, and then
// for a twentieth of the time. One that needs no more stays in step; another one leaves.
func TestHowLongARouteHoldsOthersUp(t *testing.T) {
	const changes = 900
	for name, test := range map[string]struct {
		full   time.Duration // at each change, of which there is one every 100 ms
		inStep bool
		least  time.Duration // for how long the others are held up
		most   time.Duration
	}{
		"less than a twentieth": {4 * time.Millisecond, true, changes * 4 * time.Millisecond, changes * 4 * time.Millisecond},
		"a little more":         {8 * time.Millisecond, false, time.Second, 4 * time.Second},
		"for ever":              {time.Hour, false, time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &lingerer{full: test.full}
				h := start(t, func(o *Options) { o.Routes = append(o.Routes, Route{Name: "b", Queue: q}) })
				body := h.call("streaming list").open()
				body.send(event("ADDED", "a", 1), endMark("10"))
				h.want(true, "added a uid-a@1 snapshot")
				h.wantState(member.Live)
				q.since = time.Now()
				began := time.Now()
				for i := range changes {
					time.Sleep(time.Until(began.Add(time.Duration(i) * 100 * time.Millisecond)))
					body.send(event("MODIFIED", "a", 11+i))
					synctest.Wait()
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if q.held < test.least || q.held > test.most {
					t.Errorf("the others were held up for %v, want %v to %v", q.held, test.least, test.most)
				}
				if got := len(h.queue.changes); got != changes {
					t.Errorf("the other route was told of %d changes", got)
				}
				if r := h.stream.Status().Routes[1]; r.InStep != test.inStep {
					t.Errorf("in step: %v, want %v (%s)", r.InStep, test.inStep, r.Why)
				}
			})
		})
	}
}

// In the long run a route may hold others up for a twentieth of the time, and for no more than
// a second at once, however long it has not.
func TestHoldIsATwentieth(t *testing.T) {
	now := time.Now()
	h := hold{left: holdMost, at: now}
	if got := h.get(now); got != time.Second {
		t.Errorf("at first for %v, want 1s", got)
	}
	h.left = 0
	for after, want := range map[time.Duration]time.Duration{
		time.Second: time.Second / 20, 10 * time.Second: time.Second / 2, 20 * time.Second: time.Second, time.Hour: time.Second,
	} {
		h := h
		if got := h.get(now.Add(after)); got != want {
			t.Errorf("%v after it was used up: for %v, want %v", after, got, want)
		}
	}
}
