package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

const (
	// openTimeout bounds the wait for the first byte of an answer; an API
	// server gives itself as long for a request.
	openTimeout = time.Minute
	// slotIdle and slotLongest bound how long a snapshot keeps its slot, see
	// guard.
	slotIdle    = time.Second
	slotLongest = 10 * time.Second
	// frameGrace and frameRate bound how long a large frame may take while others wait
	// for memory: so long, and as long as what has come of it takes at so many bytes per
	// second. frameAgain is how often a frame that takes longer is looked at.
	frameGrace = 30 * time.Second
	frameRate  = 64 << 10
	frameAgain = time.Second
)

// Semaphore bounds how many snapshots start at once across the fleet;
// golang.org/x/sync/semaphore.Weighted is one.
type Semaphore interface {
	// Acquire blocks until n are free or ctx ends.
	Acquire(ctx context.Context, n int64) error
	Release(n int64)
}

// guard watches over one attempt of a stream while that reads or hands over.
// It cuts the attempt (cancels its context, with a cause) when the session is
// replaced, the server is silent for too long, a snapshot takes too long, or a large
// frame does for whose memory others wait (frameGrace).
// Time that the stream spends blocked in Offer is the lane's doing and counts
// for nothing.
//
// It also takes back the snapshot slot. That is there so that a hub that
// restarts does not read from all members at full speed at once; it is no
// right to finish. So the slot goes when the snapshot ends, when it has not
// moved for slotIdle (the member hangs, or its lane is full), or after
// slotLongest. However slow a member or its lane, it keeps no other waiting
// for longer.
type guard struct {
	cancel context.CancelCauseFunc
	start  time.Time
	idle   time.Duration // longest silence
	sync   time.Duration // longest snapshot

	contended func() bool // somebody waits for memory

	// Written by the stream, read by the guard. Times are nanoseconds since
	// start.
	phase   atomic.Int32
	moved   atomic.Int64 // when the stream last read something or was let go by Offer
	blocked atomic.Int64 // when it called Offer; negative if it is not in there
	began   atomic.Int64 // when the snapshot began; negative if none is under way
	excused atomic.Int64 // nanoseconds in Offer since then
	frameAt atomic.Int64 // since when there is memory taken for a large frame; negative if there is none
	frameOf atomic.Int64 // bytes of it that have come

	mu      sync.Mutex
	timer   *time.Timer // for the next deadline; nil: it does not watch yet, or any more
	release func()      // gives the slot back; nil if none is held
	granted time.Duration
}

// The phases of an attempt differ in how long silence may last.
const (
	parked  int32 = iota // waiting for something else than the server
	opening              // a call is under way
	reading
)

func newGuard(cancel context.CancelCauseFunc, cfg Config, contended func() bool) *guard {
	g := &guard{cancel: cancel, start: time.Now(), idle: cfg.StaleAfter, sync: cfg.SyncTimeout, contended: contended}
	g.blocked.Store(-1)
	g.began.Store(-1)
	g.frameAt.Store(-1)
	return g
}

func (g *guard) now() int64 { return int64(time.Since(g.start)) }

// enter begins a phase.
func (g *guard) enter(phase int32) {
	g.moved.Store(g.now())
	g.phase.Store(phase)
	g.wake()
}

// wake says that the next deadline may be nearer.
func (g *guard) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer != nil {
		g.timer.Reset(g.napLocked())
	}
}

// frame notes that something was read at that time.
func (g *guard) frame(at time.Time) { g.moved.Store(int64(at.Sub(g.start))) }

// block and unblock enclose a call of Offer.
func (g *guard) block() { g.blocked.Store(g.now()) }

func (g *guard) unblock() {
	now := g.now()
	g.excused.Add(now - g.blocked.Load())
	g.moved.Store(now)
	g.blocked.Store(-1)
}

func (g *guard) beginSync() {
	g.excused.Store(0)
	g.began.Store(g.now())
	g.wake()
}

// beginFrame and endFrame enclose the time for which there is memory taken for a frame
// that is being read, in which nothing waits for a lane or memory; frameRead says how
// much of it has come.
func (g *guard) beginFrame() {
	g.frameOf.Store(0)
	g.frameAt.Store(g.now())
	g.wake()
}

func (g *guard) frameRead(n int) {
	g.frameOf.Store(int64(n))
	g.moved.Store(g.now())
}

func (g *guard) endFrame() { g.frameAt.Store(-1) }

// frameLeft returns for how long the frame that there is memory taken for may still be
// read while others wait; never more than silence may last.
func (g *guard) frameLeft(now int64) time.Duration {
	at := g.frameAt.Load()
	if at < 0 {
		return g.idle
	}
	may := frameGrace + time.Duration(g.frameOf.Load())*time.Second/frameRate
	return min(may, g.idle) - time.Duration(now-at)
}

func (g *guard) endSync() {
	g.began.Store(-1)
	g.releaseSlot()
}

// acquireSlot waits for a slot, which the guard gives back.
func (g *guard) acquireSlot(ctx context.Context, slots Semaphore) error {
	if slots == nil {
		return nil
	}
	g.enter(parked)
	if err := slots.Acquire(ctx, 1); err != nil {
		return err
	}
	g.moved.Store(g.now()) // the wait for the slot was not the member's
	g.mu.Lock()
	g.release, g.granted = func() { slots.Release(1) }, time.Duration(g.now())
	g.mu.Unlock()
	g.wake()
	return nil
}

func (g *guard) releaseSlot() {
	g.mu.Lock()
	release := g.release
	g.release = nil
	g.mu.Unlock()
	if release != nil {
		release()
	}
}

// watch begins to watch, until end. There is no goroutine for it: it is woken
// by a timer, and by the session.
func (g *guard) watch(session *member.Session) (end func()) {
	g.mu.Lock()
	g.timer = time.AfterFunc(g.napLocked(), g.look)
	g.mu.Unlock()
	ignore := session.OnChange(func() { g.cancel(errRenewed) })
	return func() {
		ignore()
		g.mu.Lock()
		g.timer.Stop()
		g.timer = nil
		g.mu.Unlock()
		g.releaseSlot()
	}
}

// look is called when a deadline may have passed.
func (g *guard) look() {
	g.returnSlot()
	if err := g.check(); err != nil {
		g.cancel(err)
		return
	}
	g.wake()
}

// check returns what the attempt is to be cut for.
func (g *guard) check() error {
	if g.blocked.Load() >= 0 {
		return nil
	}
	now, phase := g.now(), g.phase.Load()
	still := time.Duration(now - g.moved.Load())
	began := g.began.Load()
	switch {
	case phase == parked:
	case phase == opening && still >= openTimeout:
		return errNoReply
	case phase == reading && still >= g.idle:
		return errSilent
	case phase == reading && g.frameLeft(now) <= 0 && g.contended():
		return errStalled
	case began >= 0 && time.Duration(now-began-g.excused.Load()) >= g.sync:
		return errOverdue
	}
	return nil
}

// napLocked returns how long the guard may sleep unless it is woken. What moves a
// deadline further away does not wake it: it looks in vain then and sleeps on.
func (g *guard) napLocked() time.Duration {
	nap := max(g.idle, openTimeout)
	now := g.now()
	if g.blocked.Load() < 0 {
		still := time.Duration(now - g.moved.Load())
		switch g.phase.Load() {
		case opening:
			nap = openTimeout - still
		case reading:
			nap = g.idle - still
			if left := g.frameLeft(now); left > 0 {
				nap = min(nap, left)
			} else {
				nap = min(nap, frameAgain)
			}
		}
		if began := g.began.Load(); began >= 0 {
			nap = min(nap, g.sync-time.Duration(now-began-g.excused.Load()))
		}
	}
	if g.release != nil {
		nap = min(nap, slotIdle)
	}
	return max(nap, time.Millisecond)
}

// returnSlot gives the slot back if the snapshot has had it for long enough.
func (g *guard) returnSlot() {
	now := g.now()
	since := g.moved.Load()
	if blocked := g.blocked.Load(); blocked >= 0 {
		since = blocked
	}
	g.mu.Lock()
	overdue := g.release != nil && (time.Duration(now-since) >= slotIdle || time.Duration(now)-g.granted >= slotLongest)
	g.mu.Unlock()
	if overdue {
		g.releaseSlot()
	}
}
