package app

import (
	"context"
	"sync"

	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// letterLane is what of the dead letters goes into one lane: those of one sink and
// one cluster. A lane that is full holds up none of the others.
type letterLane struct{ sink, cluster string }

func laneOf(r *deadletter.Record) letterLane { return letterLane{r.Sink, r.Event.Cluster} }

// letterLanes sends records, those of a lane one after the other, and of several
// lanes at once. While a lane is busy, its records are passed over, and found by
// another pass over the file.
type letterLanes struct {
	send func(*deadletter.Record)

	mu    sync.Mutex
	moved sync.Cond // on mu: a lane is not busy any more
	busy  map[letterLane]bool
	left  map[letterLane]int // records that were passed over
	ended bool
	wg    sync.WaitGroup
}

func newLetterLanes(send func(*deadletter.Record)) *letterLanes {
	l := &letterLanes{send: send, busy: map[letterLane]bool{}, left: map[letterLane]int{}}
	l.moved.L = &l.mu
	return l
}

// offer sends a record, or reports that it is passed over for now: it waits for its
// lane only if there is no record for any other.
func (l *letterLanes) offer(ctx context.Context, r *deadletter.Record) (taken bool) {
	lane := laneOf(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.busy[lane] && ctx.Err() == nil {
		if l.othersLocked(lane) {
			l.left[lane]++
			return false
		}
		l.moved.Wait()
	}
	if ctx.Err() != nil {
		l.left[lane]++
		return false
	}
	l.busy[lane] = true
	l.wg.Go(func() {
		l.send(r)
		l.mu.Lock()
		delete(l.busy, lane)
		l.moved.Broadcast()
		l.mu.Unlock()
	})
	return true
}

// othersLocked reports whether another lane could take something now that is in the
// file, as far as that is known: in the first pass anything may follow.
func (l *letterLanes) othersLocked(lane letterLane) bool {
	if !l.ended {
		return true
	}
	for other, n := range l.left {
		if other != lane && n > 0 && !l.busy[other] {
			return true
		}
	}
	return false
}

// again begins another pass; it reports whether there is something left for it.
func (l *letterLanes) again() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, n := range l.left {
		if n > 0 {
			return true
		}
	}
	return false
}

// retake notes that a record that was passed over is offered again.
func (l *letterLanes) retake(r *deadletter.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left[laneOf(r)]--
}

// interrupt wakes who waits, once ctx has ended.
func (l *letterLanes) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved.Broadcast()
}
