package app

import (
	"context"
	"errors"
	"slices"
)

var (
	errForgotten = errors.New("its cluster left the fleet, or another object took its name, before it was accepted; try again")
	errStops     = errors.New("the program stops, or its settings change; what was not accepted is kept, to be sent again")
)

// settleLocked counts the letters of key of which it is known what became of them.
func (l *letterLane) settleLocked(key letterKey) {
	sent, ok := l.sent[key]
	if !ok {
		return
	}
	left := slices.DeleteFunc(sent, l.isSettledLocked)
	if l.sent[key] = left; len(left) == 0 {
		delete(l.sent, key)
	}
}

// isSettledLocked counts a letter, if it is known what became of it.
func (l *letterLane) isSettledLocked(of *letter) bool {
	if isOpen(of.retried.Settled()) {
		return false
	}
	refused := of.refused
	if of.ghost != nil {
		refused = of.ghost.take() || refused
	}
	switch {
	case !of.retried.Acked():
		l.keepLocked(of.i, errForgotten)
		return true
	case refused:
		l.counts.refusedAgain++
	default:
		l.counts.delivered++
	}
	l.is[of.i] = isGone
	return true
}

func (l *letterLane) settleAllLocked() {
	for key := range l.sent {
		l.settleLocked(key)
	}
}

// wait returns when all that was sent is settled, or ctx ends. Once all else is settled, a ghost
// is waited for until its time is over, and kept then.
func (l *letterLane) wait(ctx context.Context) {
	for _, ghosts := range []bool{false, true} {
		for of := l.next(ghosts); of != nil && ctx.Err() == nil; of = l.next(ghosts) {
			limit, cancel := ctx, func() {}
			if ghosts {
				limit, cancel = context.WithDeadlineCause(ctx, of.until, errNotWithin)
			}
			select {
			case <-of.retried.Settled():
			case <-limit.Done():
				l.giveUp(of, context.Cause(limit))
			}
			cancel()
		}
	}
}

// giveUp keeps a letter, unless it is settled.
func (l *letterLane) giveUp(of *letter, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settleLocked(of.key)
	if i := slices.Index(l.sent[of.key], of); i >= 0 && errors.Is(why, errNotWithin) {
		l.sent[of.key] = slices.Delete(l.sent[of.key], i, i+1)
		l.keepLocked(of.i, why)
		l.settleLocked(of.key) // which leaves out keys without letters
	}
}

// next returns a letter that is not settled, of the ghosts or of the others; nil if all are.
func (l *letterLane) next(ghosts bool) *letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.sent {
		l.settleLocked(key)
		for _, of := range l.sent[key] {
			if ghosts == (of.ghost != nil) {
				return of
			}
		}
	}
	return nil
}
