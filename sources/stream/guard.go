package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// openTimeout bounds the wait for the first byte of an answer; an API
	// server gives itself as long for a request.
	openTimeout = time.Minute
	// slotIdle and slotLongest bound how long a snapshot keeps its slot, see
	// guard.
	slotIdle    = time.Second
	slotLongest = 10 * time.Second
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
// replaced, the server is silent for too long, or a snapshot takes too long.
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
	kick   chan struct{} // tells the guard that its next deadline may be nearer

	// Written by the stream, read by the guard. Times are nanoseconds since
	// start.
	phase   atomic.Int32
	moved   atomic.Int64 // when the stream last read something or was let go by Offer
	blocked atomic.Int64 // when it called Offer; negative if it is not in there
	began   atomic.Int64 // when the snapshot began; negative if none is under way
	excused atomic.Int64 // nanoseconds in Offer since then

	mu      sync.Mutex
	release func() // gives the slot back; nil if none is held
	granted time.Duration
}

// The phases of an attempt differ in how long silence may last.
const (
	parked  int32 = iota // waiting for something else than the server
	opening              // a call is under way
	reading
)

func newGuard(cancel context.CancelCauseFunc, cfg Config) *guard {
	g := &guard{cancel: cancel, start: time.Now(), idle: cfg.StaleAfter, sync: cfg.SyncTimeout, kick: make(chan struct{}, 1)}
	g.blocked.Store(-1)
	g.began.Store(-1)
	return g
}

func (g *guard) now() int64 { return int64(time.Since(g.start)) }

// enter begins a phase.
func (g *guard) enter(phase int32) {
	g.moved.Store(g.now())
	g.phase.Store(phase)
	g.wake()
}

func (g *guard) wake() {
	select {
	case g.kick <- struct{}{}:
	default: // it has been told
	}
}

// frame notes that something was read.
func (g *guard) frame() { g.moved.Store(g.now()) }

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

// run watches until ctx ends, which is the context that cancel cancels.
func (g *guard) run(ctx context.Context, changed <-chan struct{}) {
	timer := time.NewTimer(g.nap())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			g.cancel(errRenewed)
			return
		case <-g.kick:
		case <-timer.C:
		}
		g.returnSlot()
		if err := g.check(); err != nil {
			g.cancel(err)
			return
		}
		timer.Reset(g.nap())
	}
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
	case began >= 0 && time.Duration(now-began-g.excused.Load()) >= g.sync:
		return errOverdue
	}
	return nil
}

// nap returns how long the guard may sleep unless it is kicked. What moves a
// deadline further away does not kick it: it wakes in vain then and sleeps on.
func (g *guard) nap() time.Duration {
	nap := max(g.idle, openTimeout)
	now := g.now()
	if g.blocked.Load() < 0 {
		still := time.Duration(now - g.moved.Load())
		switch g.phase.Load() {
		case opening:
			nap = openTimeout - still
		case reading:
			nap = g.idle - still
		}
		if began := g.began.Load(); began >= 0 {
			nap = min(nap, g.sync-time.Duration(now-began-g.excused.Load()))
		}
	}
	g.mu.Lock()
	if g.release != nil {
		nap = min(nap, slotIdle)
	}
	g.mu.Unlock()
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
