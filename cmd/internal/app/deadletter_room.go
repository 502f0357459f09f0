package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// All lanes of all retries share the memory that their records are read into.
const (
	// roomBytes is how much there is, in bytes of records as they are in the file. A record
	// that is longer takes all of it.
	roomBytes = 16 << 20
	// leastLetterShare is the least that a lane takes. It takes powers of two, so that it seldom has
	// to ask for more.
	leastLetterShare = 4 << 10
	// lanePatience is how long a lane holds its share while its record waits for the lane to
	// have room, and others wait for a share: 1,000 lanes that are full, with records of 1 MiB,
	// hold a share for 16 s together.
	lanePatience = 250 * time.Millisecond
	// A lane that moves slowly takes longer for each record, and one that is full is like it: so
	// it may hold its share for twice as long each time that it was in vain, up to this.
	longestPatience = 4 * time.Second
	// Then it waits for so many times as long before it asks for a share again, if it has stood
	// in line for that one. So 1,000 full lanes do not fill the line.
	pauseOfPatience = 60
	// laneTurn is how long a lane that moves holds its share while others wait for one.
	laneTurn = time.Second
	// A lane that gave its share back waits that long before it asks for one again: outside
	// the line, twice as long each time, and twice as long as it stood in line. So the line
	// becomes short.
	shortestPause = time.Second
	longestPause  = 30 * time.Second
)

// errGivesWay says that a record was not handed over since its lane is full, and others waited
// for the memory that it is in.
var errGivesWay = errors.New("its lane is full, and others wait")

// room is that memory.
type room struct {
	size  int64
	bytes *semaphore.Weighted

	mu      sync.Mutex
	waiting int
	wanted  chan struct{} // closed while some wait
}

// newRoom returns one of so many bytes, a power of two.
func newRoom(size int64) *room {
	return &room{size: size, bytes: semaphore.NewWeighted(size), wanted: make(chan struct{})}
}

// take waits for so many bytes; the first that came is the first to have them.
func (r *room) take(ctx context.Context, n int64) error {
	if r.bytes.TryAcquire(n) {
		return nil
	}
	r.mu.Lock()
	if r.waiting++; r.waiting == 1 {
		close(r.wanted)
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.waiting--; r.waiting == 0 {
			r.wanted = make(chan struct{})
		}
	}()
	return r.bytes.Acquire(ctx, n)
}

// isWanted returns what is closed once some wait, or while they do.
func (r *room) isWanted() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wanted
}

// share is what a lane holds of the room. It is used by one goroutine.
type share struct {
	room  *room
	bytes int64
	since time.Time     // when it got it
	stood time.Duration // in line, for that

	patience time.Duration // how long a record may wait for the lane, while others wait for a share
	pause    time.Duration // the last one, since a record was handed over
}

func newShare(of *room) *share { return &share{room: of, patience: lanePatience} }

// giveWay gives it back, since a record could not be handed over, and returns how long the lane
// is to wait before it asks for one again.
func (s *share) giveWay() time.Duration {
	s.giveBack()
	s.pause = min(max(2*s.pause, shortestPause, 2*s.stood), longestPause)
	pause := s.pause
	if s.stood >= s.patience {
		pause = max(pause, pauseOfPatience*s.patience)
	}
	s.patience = min(2*s.patience, longestPatience)
	return pause
}

// handedOver notes that the lane moves.
func (s *share) handedOver() { s.pause = 0 }

// hold sees to it that a record of that size fits in. It keeps what it has, unless that is too
// little, or others have waited for long enough.
func (s *share) hold(ctx context.Context, size int64) error {
	if size <= s.bytes && (isOpen(s.room.isWanted()) || time.Since(s.since) < laneTurn) {
		return nil
	}
	s.giveBack()
	n := int64(leastLetterShare)
	for n < min(size, s.room.size) {
		n *= 2
	}
	asked := time.Now()
	if err := s.room.take(ctx, n); err != nil {
		return err
	}
	s.bytes, s.since = n, time.Now()
	s.stood = s.since.Sub(asked)
	return nil
}

func (s *share) giveBack() {
	if s.bytes > 0 {
		s.room.bytes.Release(s.bytes)
		s.bytes = 0
	}
}

// patient returns a context for handing a record over: it ends with errGivesWay when that takes
// longer than its patience, and others wait.
func (s *share) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(s.patience, func() {
		select {
		case <-s.room.isWanted():
			cancel(errGivesWay)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		watch.Stop()
		cancel(nil)
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
