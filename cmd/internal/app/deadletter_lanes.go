package app

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// letterLane is what of the dead letters goes into one lane: those of one sink and
// one cluster. A lane that is full holds up none of the others.
type letterLane struct{ sink, cluster string }

func laneOf(r *deadletter.Record) letterLane { return letterLane{r.Sink, r.Event.Cluster} }

// How long a record waits for its lane while there are records for others: in the
// first pass over the file, and at most in later ones.
const (
	lanePatience     = 50 * time.Millisecond
	lanePatienceMost = 10 * time.Second
)

// letterLanes sends records, those of a lane in their order, and of several lanes at
// once. When a lane is full, its records are passed over, and found by another pass
// over the file. Its methods but for isThrough are called by one goroutine.
type letterLanes struct {
	send func(*deadletter.Record)

	patience time.Duration
	over     map[letterLane]bool // is passed over, from here to the end of the pass
	wg       sync.WaitGroup

	mu    sync.Mutex         // for isThrough
	left  map[letterLane]int // records that were passed over
	busy  map[letterLane]chan struct{}
	later bool // it is not the first pass
}

func newLetterLanes(send func(*deadletter.Record)) *letterLanes {
	return &letterLanes{
		send: send, patience: lanePatience,
		over: map[letterLane]bool{}, left: map[letterLane]int{}, busy: map[letterLane]chan struct{}{},
	}
}

// offer sends a record, or reports that it is passed over for now.
func (l *letterLanes) offer(ctx context.Context, r *deadletter.Record) (taken bool) {
	lane := laneOf(r)
	if l.over[lane] || !l.await(ctx, lane) {
		l.over[lane] = true
		l.mu.Lock()
		defer l.mu.Unlock()
		l.left[lane]++
		return false
	}
	done := make(chan struct{})
	l.mu.Lock()
	l.busy[lane] = done
	l.mu.Unlock()
	l.wg.Go(func() {
		defer close(done)
		l.send(r)
	})
	return true
}

// await waits until the lane's last record has been sent: for a while, or for as long
// as it takes if there are no records for others.
func (l *letterLanes) await(ctx context.Context, lane letterLane) bool {
	if l.busy[lane] == nil {
		return true
	}
	var enough <-chan time.Time
	if l.hasOthers(lane) {
		timer := time.NewTimer(l.patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-l.busy[lane]:
		return true
	case <-enough:
	case <-ctx.Done():
	}
	return false
}

// hasOthers reports whether there are records for other lanes: in the first pass
// anything may follow.
func (l *letterLanes) hasOthers(lane letterLane) bool {
	for other, n := range l.left {
		if other != lane && n > 0 {
			return true
		}
	}
	return !l.later
}

// again begins another pass; it reports whether there is something left for it.
func (l *letterLanes) again() bool {
	if l.later {
		l.patience = min(2*l.patience, lanePatienceMost)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.later = true
	clear(l.over)
	for _, n := range l.left {
		if n > 0 {
			return true
		}
	}
	return false
}

// retake notes that a record that was passed over has been offered again.
func (l *letterLanes) retake(r *deadletter.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left[laneOf(r)]--
}

// isThrough reports whether all of a lane has been sent. Any goroutine may call it.
func (l *letterLanes) isThrough(lane letterLane) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.later && l.left[lane] == 0 && !isOpen(l.busy[lane])
}

// round begins a pass in which what is full by now is passed over, without patience.
func (l *letterLanes) round() {
	clear(l.over)
	for lane, sent := range l.busy {
		if isOpen(sent) {
			l.over[lane] = true
		}
	}
}

// endRound waits for what the round sends, but not longer than for any record.
func (l *letterLanes) endRound(ctx context.Context) {
	for lane := range l.busy {
		if !l.over[lane] {
			l.await(ctx, lane)
		}
	}
}

// isOpen reports whether c is a channel that is not closed.
func isOpen(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return c != nil
	}
}
