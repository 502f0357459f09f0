package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Some records cannot be sent when they are first offered: another state of their name is on its
// way, such as that of an earlier record, or a snapshot is. These are deferred, and offered again
// for a while. So are deletions whose name another object has by now: they take a snapshot, so
// they come after all else of their lane, and all at once.

// How long a record is offered again, once all of its lane has been offered, and how often. A
// deletion that goes before the state of another object has that long for the snapshot, too.
const (
	againFor   = time.Minute
	againEvery = time.Second
)

var errNotWithin = fmt.Errorf("it was not accepted within %v; try again", againFor)

// deferral is a record that is to be offered again. Its body is not in memory.
type deferral struct {
	i   int   // its place in the lane
	why error // shared by all that have the same
}

func (d deferral) isGhost() bool { return errors.Is(d.why, stream.ErrNameTaken) }

// deferral returns one. Letters share the errors that say the same, up to maxReasons.
func (l *letterLane) deferral(i int, why error) deferral {
	text := why.Error()
	known := slices.IndexFunc(l.whys, func(other error) bool { return other.Error() == text })
	switch {
	case known >= 0:
		why = l.whys[known]
	case len(l.whys) < maxReasons:
		l.whys = append(l.whys, why)
	case errors.Is(why, stream.ErrNameTaken):
		why = stream.ErrNameTaken
	default:
		why = stream.ErrNotNow
	}
	return deferral{i, why}
}

// again offers what is deferred until nothing is, its time is over, or ctx ends.
func (l *letterLane) again(ctx context.Context, s *share, deferred []deferral) {
	until := time.Now().Add(againFor)
	for {
		deferred = l.round(ctx, s, deferred, until)
		s.giveBack()
		if len(deferred) == 0 || ctx.Err() != nil {
			return
		}
		sleep(ctx, againEvery)
		if !time.Now().Before(until) {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range deferred {
		l.keepLocked(d.i, d.why)
	}
}

// round offers what is deferred once, and returns what still is. Deletions that take a snapshot
// come first: so they share it, and what waits for room does not delay it. Of letters that wait
// for the same thing, such as a snapshot of their resource, one is offered, and the others only
// if that one need not wait any more.
func (l *letterLane) round(ctx context.Context, s *share, deferred []deferral, until time.Time) (left []deferral) {
	limit, cancel := context.WithDeadlineCause(ctx, until, errNotWithin)
	defer cancel()
	var none []error // what nothing can be sent for, in this round
	for _, ghosts := range []bool{true, false} {
		for _, d := range deferred {
			if d.isGhost() != ghosts || ctx.Err() != nil {
				continue
			}
			if slices.Contains(none, d.why) {
				left = append(left, d)
				continue
			}
			why := l.offer(limit, s, d.i, func(ctx context.Context, record *deadletter.Record, to *letter) error {
				return l.sendAgain(ctx, record, to, ghosts, until)
			})
			switch {
			case errors.Is(why, errGivesWay):
				s.giveBack()
				left = append(left, d)
			case why != nil:
				again := l.deferral(d.i, why)
				left = append(left, again)
				if errors.Is(again.why, stream.ErrNoneNow) {
					none = append(none, again.why)
				}
			}
		}
	}
	return left
}

// sendAgain offers a record that has been deferred. It fills in what of the letter is not there
// yet.
func (l *letterLane) sendAgain(ctx context.Context, record *deadletter.Record, to *letter, isGhost bool, until time.Time) (err error) {
	if !isGhost {
		to.retried, err = l.r.to.Redeliver(ctx, record.Sink, &record.Event)
		// In a moment another state may be on its way again, of a name that changes often.
		if !errors.Is(err, stream.ErrNameTaken) {
			return err
		}
	}
	if to.retried, err = l.r.to.RedeliverGhost(ctx, record.Sink, &record.Event); err == nil {
		to.ghost, to.until = l.r.ghosts.note(record, to.retried), until
	}
	return err
}
