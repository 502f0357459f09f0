package clusters

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// resource is what the errors are about.
var resource = coordinationv1.Resource("leases")

// Get reads the votes, and returns when a majority of them says the same. The error is
// NotFound if a majority has none.
//
// If no record has a majority, Get returns: one that nobody holds, if a majority of the
// votes is free, or else the record of whoever has the most votes. Bytes of the latter
// change with each vote, so who counts the time since they did waits for all of them;
// and Update takes no vote that may still be relied on.
func (l *Lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", l.Describe(), context.Cause(ctx))
	}
	fresh, err := l.look(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.tallyLocked(fresh, true)
	if told.verdict == nothing {
		return nil, nil, fmt.Errorf("read %s: %w", l.Describe(), l.tooFewLocked(fresh))
	}
	l.steadyLocked(&told, fresh)
	l.view, l.unknown = told, false
	if told.verdict == missing {
		return nil, nil, apierrors.NewNotFound(resource, l.Describe())
	}
	if told.mine && told.record.HolderIdentity == l.o.Identity {
		l.token.Store(max(l.token.Load(), told.term)) // also that of a write that was not answered
	}
	return &told.record, []byte(told.raw), nil
}

// look asks all voters for their votes, and returns which have answered: when a majority says
// who holds the record, or that there is none; or a moment after a majority has answered; or
// when all have, or failed. So a record that is free is told when the others had a moment to
// object, see objectionLocked.
func (l *Lock) look(ctx context.Context, all bool) (fresh []bool, err error) {
	type answer struct {
		i  int
		ok bool
	}
	ctx, cancel := l.limited(ctx)
	defer cancel()
	answers := make(chan answer, len(l.seats))
	var over atomic.Bool
	defer over.Store(true)
	for i, s := range l.seats {
		l.running.Go(func() {
			ctx, cancel := l.bounded(ctx)
			defer cancel()
			err := l.take(ctx, s)
			if err == nil {
				defer l.release(s)
				if over.Load() {
					return
				}
				err = l.readSeat(ctx, s)
			}
			answers <- answer{i, err == nil}
		})
	}
	fresh = make([]bool, len(l.seats))
	heard := 0
	var enough <-chan time.Time
	for range l.seats {
		select {
		case a := <-answers:
			if fresh[a.i] = a.ok; a.ok {
				heard++
			}
		case <-enough:
			return fresh, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("read %s: %d of %d voters have answered, %d are needed: %w", l.Describe(), heard, len(l.seats), l.majority(), context.Cause(ctx))
		}
		if all {
			continue
		}
		l.mu.Lock()
		v := l.tallyLocked(fresh, false)
		l.mu.Unlock()
		if v.verdict == missing || v.verdict == elected && v.record.HolderIdentity != "" {
			break
		}
		if heard >= l.majority() && enough == nil {
			timer := time.NewTimer(l.o.Timeout / 8)
			defer timer.Stop()
			enough = timer.C
		}
	}
	return fresh, nil
}

// take waits for the voter's turn: for the request before to end.
func (l *Lock) take(ctx context.Context, s *seat) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Lock) release(s *seat) { <-s.turn }

// readSeat asks one voter, whose turn it is.
func (l *Lock) readSeat(ctx context.Context, s *seat) error {
	lease, err := s.register.read(ctx)
	return l.noteSeat(s, lease, err)
}

// noteSeat takes the answer of a voter.
func (l *Lock) noteSeat(s *seat, lease *coordinationv1.Lease, err error) error {
	now := l.now()
	var v vote
	if err == nil && lease != nil {
		v, err = decode(lease, s.name, l.voters, now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		s.forget(err)
		return err
	}
	s.note(lease, v, now)
	return nil
}

// tooFewLocked says why there is no majority.
func (l *Lock) tooFewLocked(fresh []bool) error {
	var reasons []string
	answered := 0
	for i, s := range l.seats {
		switch {
		case fresh[i]:
			answered++
		case s.err != nil:
			reasons = append(reasons, s.name+": "+s.err.Error())
		default:
			reasons = append(reasons, s.name+": no answer yet")
		}
	}
	return fmt.Errorf("%d of %d voters answer, %d are needed; %s", answered, len(l.seats), l.majority(), strings.Join(reasons, "; "))
}
