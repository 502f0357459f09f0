package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Routes that are behind take turns with the watches that a stream may have beside the main
// reader's. While others wait for one, a route gives its own up when its turn is over, goes to the
// end of the line, and reads on later from where it was. So a route whose sink is slow for ever
// does not keep another one from catching up.

const (
	// turnLasts is for how long a route may read at the least.
	turnLasts = 30 * time.Second
	// listTurnLasts is that while it takes a snapshot, from the first change that it hands over.
	// What sinks have accepted of a snapshot is not delivered again, but the next turn reads it
	// again. That is no more often than a list in pages has to begin anew: API servers forget the
	// version of its first page after five minutes.
	listTurnLasts = listTurns * turnLasts
	listTurns     = 10
)

// errTurnOver ends a reader that has read for as long as it may while others wait.
var errTurnOver = errors.New("another route's turn has come")

// turns bounds how many routes that are behind have a watch. Its methods may be called from any
// goroutine.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting []chan struct{} // in the order in which they came; closed to give one its turn
	ending  int             // turns that end for one that waits
}

// await blocks until the caller may have a watch, which it gives back with release. It fails when
// ctx ends.
func (t *turns) await(ctx context.Context) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting, turn); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	} else {
		t.passLocked()
	}
	return ctx.Err()
}

// end reports whether a turn is to end for one that waits. Then it is released with ended.
func (t *turns) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) <= t.ending {
		return false
	}
	t.ending++
	return true
}

func (t *turns) release(ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ended {
		t.ending--
	}
	t.passLocked()
}

func (t *turns) passLocked() {
	if len(t.waiting) == 0 {
		t.free++
		return
	}
	close(t.waiting[0])
	t.waiting = t.waiting[1:]
}

// turnIsOver reports whether the reader is to end because others wait for its watch. A turn in
// which a snapshot is taken does not end before something of that was handed over: each goes
// further than the one before.
func (r *reader) turnIsOver() bool {
	s := r.Stream
	if r.turnEnds || len(s.branches) == 1 || s.main.Load() == r {
		return r.turnEnds
	}
	s.mu.Lock()
	extra, since := r.extra, r.turnBegan
	s.mu.Unlock()
	lasts := s.cfg.turn
	if r.listing {
		if r.handedOver.IsZero() {
			return false
		}
		lasts *= listTurns
		if r.handedOver.After(since) {
			since = r.handedOver
		}
	}
	r.turnEnds = extra && time.Since(since) >= lasts && s.turns.end()
	return r.turnEnds
}
