package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Election is one process's part in an election. Run takes part; the other
// methods may be called from any goroutine at any time.
type Election struct {
	timing Timing
	lock   *lock
	fence  *fence
	log    logr.Logger
}

// New returns a part in an election over a lock, whose Identity is the name of this
// process: no other process may have it, not even an earlier one on the same
// machine. Nothing is asked of the lock before Run, and nothing after it but by Successor. The caller
// closes it, if it can be closed.
//
// Every call to the lock ends after Timing.CallTimeout. The lock has to obey its
// context. If it has a method Token, as locks.Fenced says, it is asked for the token of
// the term.
func New(t Timing, l resourcelock.Interface, log logr.Logger) (*Election, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	log = log.WithValues("lock", l.Describe(), "identity", l.Identity())
	f := &fence{timing: t}
	return &Election{timing: t, fence: f, log: log, lock: &lock{tenure: tenure{since: time.Now()}, Interface: l, fence: f, log: log}}, nil
}

// Run follows until this process leads, and then calls lead, at most once. It
// returns nil if ctx ends before that.
//
// The ctx of lead is Run's, and asks it to end. Its term ends, with an ErrLost as
// the cause, when it must not act any more: then it has to end everything before
// the rest of the lease duration is over. Until it returns the lease is renewed.
// Then it is released, so that another process leads at once, if the term has not
// ended and lead says that nothing of it runs any more; if something does, the
// lease is left to expire. Run returns the error of lead, and an ErrLost if the
// term has ended.
func (e *Election) Run(ctx context.Context, lead func(ctx, term context.Context) (ended bool, err error)) error {
	detached := context.WithoutCancel(ctx)
	term, lose := context.WithCancelCause(detached)
	defer lose(nil)
	e.fence.watch(lose)

	elected := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          e.lock,
		Name:          e.lock.Describe(),
		LeaseDuration: e.timing.LeaseDuration,
		RenewDeadline: e.timing.RenewDeadline,
		RetryPeriod:   e.timing.RetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(elected) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("elect a leader: %w", err)
	}
	// client-go would log every request that fails; lock tells when they begin to.
	electing, stopElecting := context.WithCancel(logr.NewContext(detached, logr.Discard()))
	defer stopElecting()
	over := make(chan struct{}) // closed when the elector has ended, asked to or not
	go func() {
		defer close(over)
		elector.Run(electing)
	}()

	select {
	case <-ctx.Done():
		stopElecting()
		if err := e.await(over); err != nil {
			return err
		}
		e.release(detached) // it may just have been taken
		return nil
	case <-elected:
	}
	e.log.Info("Leads")
	var guard sync.WaitGroup
	guard.Go(func() { e.guard(electing, over) })
	ended, err := lead(ctx, term)
	stopElecting()
	guard.Wait()
	hung := e.await(over)
	if lost := context.Cause(term); lost != nil {
		if errors.Is(err, ErrLost) {
			return err
		}
		return errors.Join(lost, err)
	}
	if hung != nil {
		return errors.Join(err, hung)
	}
	if ended {
		e.release(detached)
	}
	return err
}

// await waits for the elector, for as long as a call to the lock may take. What a lock
// that does not obey its context still does is left alone, and so is the lease.
func (e *Election) await(over <-chan struct{}) error {
	timer := time.NewTimer(e.timing.CallTimeout())
	defer timer.Stop()
	select {
	case <-over:
		return nil
	case <-timer.C:
		return fmt.Errorf("a call to the lock %s does not end; the lease is left to expire", e.lock.Describe())
	}
}

// guard loses the lease when it has not been renewed for too long, until ctx
// ends.
func (e *Election) guard(ctx context.Context, over <-chan struct{}) {
	for {
		timer := time.NewTimer(e.fence.left(time.Now()))
		select {
		case <-timer.C:
			if e.fence.check(time.Now()) != nil {
				return
			}
		case <-over:
			timer.Stop()
			if ctx.Err() == nil {
				e.fence.lose(errors.New("it could not be renewed"))
			}
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// release lets others lead at once.
func (e *Election) release(ctx context.Context) {
	if !e.fence.held() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.timing.RenewDeadline)
	defer cancel()
	if err := e.lock.release(ctx); err != nil {
		e.log.Error(err, "Could not release the lease; others wait until it expires", "leaseDuration", e.timing.LeaseDuration)
		return
	}
	e.log.Info("Released the lease")
}

// MayAct returns nil while this process leads and its last renewal is younger
// than the renew deadline. It has to be asked right before each act. An error
// is an ErrLost, and for good, unless this process has not led yet.
func (e *Election) MayAct() error { return e.fence.check(time.Now()) }

// MayStore is MayAct up to the lease duration, for what has to be put in order
// after a loss and before another process leads.
func (e *Election) MayStore() error { return e.fence.checkLease(time.Now()) }

// Token is the fencing token of this process's term, 0 before it has led. It is the
// same for the whole term, and grows with each process that leads. A lock that gives
// tokens has them grow also when its record was deleted. For any other lock the
// record's transitions are counted, which begin again then.
func (e *Election) Token() uint64 {
	e.lock.mu.Lock()
	defer e.lock.mu.Unlock()
	return e.lock.token
}

// Status is where an election stands.
type Status struct {
	Identity string    // of this process
	Leading  bool      // this process leads
	Leader   string    // who leads, as last seen; empty: nobody is known to
	Since    time.Time // when Leader became so, as this process has seen it
	// Renewed is when Leader last renewed the lease, by its own clock; zero: that is not known.
	Renewed time.Time
	Token   uint64 // see Election.Token
	// Unsettled is since when no process has led for 15 seconds, however often Leader has
	// changed since; zero: one does, or this process has not seen one that did.
	Unsettled time.Time
	LastError string // of the last call to the lock; empty if it went well
	// Unrenewed is when this process, which leads, last renewed the lease, and Ends when it
	// stops leading unless it renews it before. Both are zero while it renews it in time.
	Unrenewed, Ends time.Time
	// Lost is why this process, which has led, does so no more; nil: it leads, or has not led.
	Lost error
}

// Status tells where the election stands.
func (e *Election) Status() Status {
	s, now := Status{Identity: e.lock.Identity(), Leading: e.fence.held(), Lost: e.fence.why()}, time.Now()
	e.lock.mu.Lock()
	x, failed := &e.lock.tenure, e.lock.failed
	s.Leader, s.Since, s.Unsettled = printable(x.holder), x.since, x.unsettled(now)
	s.Renewed, s.Token = e.lock.renewed, e.lock.token
	e.lock.mu.Unlock()
	if failed != nil {
		s.LastError = failed.Error()
	}
	s.Unrenewed, s.Ends = e.fence.unrenewed(now, failed != nil)
	return s
}
