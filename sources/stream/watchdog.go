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
	// watchdog.
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

// watchdog supervises one attempt of a stream while that reads or hands over.
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
type watchdog struct {
	cancel context.CancelCauseFunc
	start  time.Time
	idle   time.Duration // longest silence
	sync   time.Duration // longest snapshot

	contended func() bool // somebody waits for memory

	// Written by the stream, read by the watchdog. Times are nanoseconds since
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

func newWatchdog(cancel context.CancelCauseFunc, cfg Config, contended func() bool) *watchdog {
	w := &watchdog{cancel: cancel, start: time.Now(), idle: cfg.StaleAfter, sync: cfg.SyncTimeout, contended: contended}
	w.blocked.Store(-1)
	w.began.Store(-1)
	w.frameAt.Store(-1)
	return w
}

func (w *watchdog) now() int64 { return int64(time.Since(w.start)) }

// enter begins a phase.
func (w *watchdog) enter(phase int32) {
	w.moved.Store(w.now())
	w.phase.Store(phase)
	w.wake()
}

// wake says that the next deadline may be nearer.
func (w *watchdog) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Reset(w.napLocked())
	}
}

// frame records that something was read at that time.
func (w *watchdog) frame(at time.Time) { w.moved.Store(int64(at.Sub(w.start))) }

// block and unblock enclose a call of Offer.
func (w *watchdog) block() { w.blocked.Store(w.now()) }

func (w *watchdog) unblock() {
	now := w.now()
	w.excused.Add(now - w.blocked.Load())
	w.moved.Store(now)
	w.blocked.Store(-1)
}

func (w *watchdog) beginSync() {
	w.excused.Store(0)
	w.began.Store(w.now())
	w.wake()
}

// beginFrame and endFrame enclose the time for which there is memory taken for a frame
// that is being read, in which nothing waits for a lane or memory; frameRead says how
// much of it has come.
func (w *watchdog) beginFrame() {
	w.frameOf.Store(0)
	w.frameAt.Store(w.now())
	w.wake()
}

func (w *watchdog) frameRead(n int) {
	w.frameOf.Store(int64(n))
	w.moved.Store(w.now())
}

func (w *watchdog) endFrame() { w.frameAt.Store(-1) }

// frameLeft returns for how long the frame that there is memory taken for may still be
// read while others wait; never more than silence may last.
func (w *watchdog) frameLeft(now int64) time.Duration {
	at := w.frameAt.Load()
	if at < 0 {
		return w.idle
	}
	may := frameGrace + time.Duration(w.frameOf.Load())*time.Second/frameRate
	return min(may, w.idle) - time.Duration(now-at)
}

func (w *watchdog) endSync() {
	w.began.Store(-1)
	w.releaseSlot()
}

// acquireSlot waits for a slot, which the watchdog gives back.
func (w *watchdog) acquireSlot(ctx context.Context, slots Semaphore) error {
	if slots == nil {
		return nil
	}
	w.enter(parked)
	if err := slots.Acquire(ctx, 1); err != nil {
		return err
	}
	w.moved.Store(w.now()) // the wait for the slot was not the member's
	w.mu.Lock()
	w.release, w.granted = func() { slots.Release(1) }, time.Duration(w.now())
	w.mu.Unlock()
	w.wake()
	return nil
}

func (w *watchdog) releaseSlot() {
	w.mu.Lock()
	release := w.release
	w.release = nil
	w.mu.Unlock()
	if release != nil {
		release()
	}
}

// watch begins to watch, until end. There is no goroutine for it: it is woken
// by a timer, and by the session.
func (w *watchdog) watch(session *member.Session) (end func()) {
	w.mu.Lock()
	w.timer = time.AfterFunc(w.napLocked(), w.look)
	w.mu.Unlock()
	ignore := session.OnChange(func() { w.cancel(errRenewed) })
	return func() {
		ignore()
		w.mu.Lock()
		w.timer.Stop()
		w.timer = nil
		w.mu.Unlock()
		w.releaseSlot()
	}
}

// look is called when a deadline may have passed.
func (w *watchdog) look() {
	w.returnSlot()
	if err := w.check(); err != nil {
		w.cancel(err)
		return
	}
	w.wake()
}

// check returns what the attempt is to be cut for.
func (w *watchdog) check() error {
	if w.blocked.Load() >= 0 {
		return nil
	}
	now, phase := w.now(), w.phase.Load()
	still := time.Duration(now - w.moved.Load())
	began := w.began.Load()
	switch {
	case phase == parked:
	case phase == opening && still >= openTimeout:
		return errNoReply
	case phase == reading && still >= w.idle:
		return errSilent
	case phase == reading && w.frameLeft(now) <= 0 && w.contended():
		return errStalled
	case began >= 0 && time.Duration(now-began-w.excused.Load()) >= w.sync:
		return errOverdue
	}
	return nil
}

// napLocked returns how long the watchdog may sleep unless it is woken. What moves a
// deadline further away does not wake it: it looks in vain then and sleeps on.
func (w *watchdog) napLocked() time.Duration {
	nap := max(w.idle, openTimeout)
	now := w.now()
	if w.blocked.Load() < 0 {
		still := time.Duration(now - w.moved.Load())
		switch w.phase.Load() {
		case opening:
			nap = openTimeout - still
		case reading:
			nap = w.idle - still
			if left := w.frameLeft(now); left > 0 {
				nap = min(nap, left)
			} else {
				nap = min(nap, frameAgain)
			}
		}
		if began := w.began.Load(); began >= 0 {
			nap = min(nap, w.sync-time.Duration(now-began-w.excused.Load()))
		}
	}
	if w.release != nil {
		nap = min(nap, slotIdle)
	}
	return max(nap, time.Millisecond)
}

// returnSlot gives the slot back if the snapshot has had it for long enough.
func (w *watchdog) returnSlot() {
	now := w.now()
	since := w.moved.Load()
	if blocked := w.blocked.Load(); blocked >= 0 {
		since = blocked
	}
	w.mu.Lock()
	overdue := w.release != nil && (time.Duration(now-since) >= slotIdle || time.Duration(now)-w.granted >= slotLongest)
	w.mu.Unlock()
	if overdue {
		w.releaseSlot()
	}
}
