package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Some records cannot be sent when they are first offered: another state of their name is on its
// way, such as that of an earlier record, or a snapshot is. These are deferred, and offered again
// for a while. So are deletions whose name another object has by now: they take a snapshot, so
// they come after all else of their lane.
//
//	first pass  ──▶ lane alpha: sent, deferred, sent; through ─┐
//	            └─▶ lane beta:  is full, for hours             │
//	rounds, once a second  ◀── what alpha has deferred ────────┘
//
// A lane that is full holds up what is deferred of no other.

// How long a record is offered again, once all of its lane has been offered, and how often. A
// deletion that goes before the state of another object has that long for the snapshot, too.
const (
	againFor   = time.Minute
	againEvery = time.Second
)

var errNotWithin = fmt.Errorf("it was not accepted within %v; try again", againFor)

// deferral is a line that is to be offered again.
type deferral struct {
	lane  letterLane
	why   error
	until time.Time // zero: its lane is not through
}

// offering offers the records of the file to the sources.
type offering struct {
	r       *resending
	taken   *deadletter.Taken
	to      resender
	ghosts  *notedGhosts
	lanes   *letterLanes  // of the first pass
	through chan struct{} // closed when the first pass is over in all lanes
}

// send offers a record for the first time.
func (o *offering) send(ctx context.Context, record *deadletter.Record) {
	o.r.send(record, func(l *letter) (err error) {
		if l.ghost = o.ghosts.of(record); l.ghost != nil {
			l.retried, l.until = l.ghost.retried, time.Now().Add(againFor)
			return nil
		}
		l.retried, err = o.to.Redeliver(ctx, record.Sink, &record.Event)
		return err
	})
}

// sendAgain offers a record that has been deferred, until its time is over.
func (o *offering) sendAgain(ctx context.Context, record *deadletter.Record) {
	d := o.r.deferralOf(record.Line)
	ctx, cancel := context.WithDeadlineCause(ctx, d.until, errNotWithin)
	defer cancel()
	o.r.send(record, func(l *letter) (err error) {
		if !errors.Is(d.why, stream.ErrNameTaken) {
			if l.retried, err = o.to.Redeliver(ctx, record.Sink, &record.Event); errors.Is(err, context.DeadlineExceeded) {
				return context.Cause(ctx) // it has waited for room
			}
			// In a moment another state may be on its way again, of a name that changes often.
			if !errors.Is(err, stream.ErrNameTaken) {
				return err
			}
		}
		if l.retried, err = o.to.RedeliverGhost(ctx, record.Sink, &record.Event); err == nil {
			l.ghost, l.until = o.ghosts.note(record, l.retried), d.until
		}
		return err
	})
}

// again offers what is deferred, beside the first pass, until that is over and nothing is
// deferred, or ctx ends.
func (o *offering) again(ctx context.Context) error {
	lanes := newLetterLanes(func(record *deadletter.Record) { o.sendAgain(ctx, record) })
	defer lanes.wg.Wait()
	for through := o.through; ; {
		isLast := !isOpen(o.through) // asked before: it defers nothing from here on
		lanes.round()                // before what is deferred is asked for: it has what is being sent
		if err := offerLines(ctx, o.taken, lanes, o.r.deferredLines(o.lanes.isThrough)); err != nil {
			return err
		}
		if isLast && !o.r.defers() {
			return nil
		}
		if isLast {
			through = nil
		}
		timer := time.NewTimer(againEvery)
		select {
		case <-timer.C:
		case <-through:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// offerLines offers some lines of the file, but for those of lanes that are full.
func offerLines(ctx context.Context, taken *deadletter.Taken, lanes *letterLanes, lines map[int]bool) error {
	if len(lines) == 0 {
		return nil
	}
	left := len(lines)
	for record, err := range taken.Records() {
		if err != nil && record.Line == 0 {
			return err
		}
		if lines[record.Line] {
			lanes.offer(ctx, &record)
			left--
		}
		if left == 0 || ctx.Err() != nil {
			break
		}
	}
	lanes.endRound(ctx)
	return nil
}

// deferLocked notes that a line is to be offered again, or keeps it if its time is over.
func (r *resending) deferLocked(line int, before *deferral, lane letterLane, why error) {
	d := &deferral{lane: lane, why: why}
	if before != nil {
		d.until = before.until
	}
	if !d.until.IsZero() && !time.Now().Before(d.until) {
		r.keepLocked(line, why)
		return
	}
	r.deferred[line] = d
}

// deferredLines returns the lines that are to be offered again now, those of lanes that are
// through: from then on their time passes.
func (r *resending) deferredLines(isThrough func(letterLane) bool) map[int]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, now := map[int]bool{}, time.Now()
	for line, d := range r.deferred {
		if !isThrough(d.lane) {
			continue
		}
		if d.until.IsZero() {
			d.until = now.Add(againFor)
		}
		lines[line] = true
	}
	return lines
}

// deferralOf returns the one of a line, which deferredLines has returned.
func (r *resending) deferralOf(line int) deferral {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.deferred[line]
}

func (r *resending) defers() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.deferred) > 0
}

// endDeferred keeps what has been offered in vain.
func (r *resending) endDeferred() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line, d := range r.deferred {
		r.keepLocked(line, d.why)
	}
	clear(r.deferred)
}
