package stream

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// Lanes are full for moments, whatever the sink: a route that left the shared
// watch each time would read everything twice. So a route may hold up the others
// for holdMost, and for a twentieth of the time in the long run. What it costs
// them is bounded, also when its sink hangs.
const (
	holdMost  = time.Second
	holdShare = 20
)

// hold is for how long a branch may still hold up others.
type hold struct {
	left time.Duration
	at   time.Time
}

func newHold() hold { return hold{left: holdMost, at: time.Now()} }

func (h *hold) get(now time.Time) time.Duration {
	h.left = min(h.left+now.Sub(h.at)/holdShare, holdMost)
	h.at = now
	return h.left
}

// handOver hands a change over to a branch's queue. While that is full it blocks: if
// the branch is alone for as long as it takes; else for as long as the others can
// be held up, and then the branch leaves. A change that has no memory yet takes it
// first.
func (a *attempt) handOver(b *branch, c *pipeline.Change) error {
	priority := livePriority
	if c.Snapshot {
		priority = snapshotPriority
	}
	var err error
	why := behindMemory
	if c.Memory.IsZero() {
		c.Memory, err = a.borrow(b, budget.Ask{Own: c.Size()})
	}
	if err == nil {
		why = behindFull
		err = a.offer(b, c, priority)
	}
	if err == nil {
		return nil
	}
	c.Release()
	if errors.Is(err, errBehind) {
		a.leave(b, why)
		return nil
	}
	return err
}

// leave has a branch read for itself that had no room for what was observed for it. That may be
// a deletion with an old version, and the branch further than that (see branch.has): its own
// watch need not show it again, so it takes a snapshot, which ends what was observed.
func (a *attempt) leave(b *branch, why string) {
	if b.skip > 0 {
		b.cursor.InvalidateResumePoint()
	}
	a.detach(b, why)
}

// offer blocks while the queue is full. It ends with the stream, and when that is stopped:
// an attempt that is cut waits for the lane first.
func (a *attempt) offer(b *branch, c *pipeline.Change, priority int) error {
	if a.listing && a.handedOver.IsZero() {
		a.handedOver = time.Now()
	}
	if len(a.Stream.branches) > 1 {
		switch err := b.route.Queue.TryOffer(c, priority); {
		case err == nil:
			return nil
		case !errors.Is(err, queue.ErrFull):
			return fatalError{err}
		}
	}
	b.blocked.set(time.Now())
	defer b.blocked.clear()
	return a.patiently(b, func(ctx context.Context) error { return b.route.Queue.Offer(ctx, c, priority) })
}

// block records that a full lane holds the reader up, if it has one branch only; it
// reports whether it has. unblock takes that back.
func (r *reader) block() (alone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = len(r.inStep) == 1
	return r.blocked
}

func (r *reader) unblock() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = false
}
