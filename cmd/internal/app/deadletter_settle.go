package app

import (
	"context"
	"slices"
)

// settleLocked counts the letters of key of which it is known what became of them.
func (r *resending) settleLocked(key letterKey) {
	left := slices.DeleteFunc(r.sent[key], r.isSettledLocked)
	if r.sent[key] = left; len(left) == 0 {
		delete(r.sent, key)
	}
}

// isSettledLocked counts a letter, if it is known what became of it.
func (r *resending) isSettledLocked(l *letter) bool {
	select {
	case <-l.retried.Settled():
	default:
		return false
	}
	refused := l.refused
	if l.ghost != nil {
		refused = l.ghost.take() || refused
	}
	switch {
	case !l.retried.Acked():
		r.keepLocked(l.line, errForgotten)
	case refused:
		r.counts.RefusedAgain++
	default:
		r.counts.Delivered++
	}
	return true
}

func (r *resending) settleAllLocked() {
	for key := range r.sent {
		r.settleLocked(key)
	}
}

// wait returns when all that was sent is settled, or ctx ends: what is not settled then is kept.
// Once all else is settled, a ghost is waited for until its time is over.
func (r *resending) wait(ctx context.Context) {
	for _, ghosts := range []bool{false, true} {
		for key, l := r.next(ghosts); l != nil; key, l = r.next(ghosts) {
			limit, cancel := ctx, func() {}
			if ghosts {
				limit, cancel = context.WithDeadlineCause(ctx, l.until, errNotWithin)
			}
			select {
			case <-l.retried.Settled():
			case <-limit.Done():
				r.giveUp(key, l, context.Cause(limit))
			}
			cancel()
		}
	}
}

// giveUp keeps the line of a letter, unless it is settled.
func (r *resending) giveUp(key letterKey, l *letter, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settleLocked(key)
	if i := slices.Index(r.sent[key], l); i >= 0 {
		r.sent[key] = slices.Delete(r.sent[key], i, i+1)
		r.keepLocked(l.line, why)
		r.settleLocked(key) // which leaves out keys without letters
	}
}

// next returns a letter that is not settled, of the ghosts or of the others; nil if all are.
func (r *resending) next(ghosts bool) (letterKey, *letter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.sent {
		r.settleLocked(key)
		for _, l := range r.sent[key] {
			if ghosts == (l.ghost != nil) {
				return key, l
			}
		}
	}
	return letterKey{}, nil
}
