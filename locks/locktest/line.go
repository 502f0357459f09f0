package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// badLine is between a process and its lock: it delays, cuts and breaks off calls, and
// loses answers, in spells. It stops with its process.
type badLine struct {
	*observed

	mu    sync.Mutex
	r     *rand.Rand
	spell time.Time // until when it is as it is
	bad   bool
	awake time.Time // from when on the process runs
}

// fault is what happens to one call.
type fault struct {
	before, after time.Duration // the call is made, and the answer comes, so much later
	within        time.Duration // the call is broken off then; 0: it is not
	cut           bool          // the call is not made
	lost          bool          // the answer does not come
}

func (l *badLine) draw() fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	upTo := func(d time.Duration) time.Duration { return time.Duration(l.r.Int64N(int64(d))) }
	if now := time.Now(); now.After(l.spell) {
		l.spell, l.bad = now.Add(upTo(2*leaseDuration)), l.r.IntN(3) == 0
	}
	f := fault{before: upTo(10 * time.Millisecond), after: upTo(10 * time.Millisecond)}
	if !l.bad {
		return f
	}
	switch l.r.IntN(5) {
	case 0:
		f.cut = true
	case 1:
		f.lost = true
	case 2:
		f.within = 1 + upTo(3*time.Millisecond)
	case 3:
		f.before = upTo(leaseDuration)
	default:
		f.after = upTo(leaseDuration)
	}
	return f
}

var errLine = errors.New("the line is bad")

func (l *badLine) call(ctx context.Context, do func(context.Context) error) error {
	f := l.draw()
	if err := errors.Join(l.runs(ctx), retry.Sleep(ctx, f.before)); err != nil {
		return err
	}
	if f.cut {
		return errLine
	}
	within := ctx
	if f.within > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, f.within)
		defer cancel()
	}
	err := do(within)
	if f.lost {
		return errLine
	}
	if late := errors.Join(retry.Sleep(ctx, f.after), l.runs(ctx)); late != nil {
		return late
	}
	return err
}

// runs waits until the process runs.
func (l *badLine) runs(ctx context.Context) error {
	l.mu.Lock()
	awake := l.awake
	l.mu.Unlock()
	return retry.Sleep(ctx, time.Until(awake))
}

// stop has the process stop for so long, as SIGSTOP does: neither does it go on, nor
// does its election.
func (l *badLine) stop(d time.Duration) {
	l.mu.Lock()
	l.awake = time.Now().Add(d)
	l.mu.Unlock()
	_ = l.runs(context.Background())
}

// request is a deed of the process, which is on its way for some time.
func (l *badLine) request(s *sink, r request) bool {
	f := l.draw()
	called := s.call()
	_ = retry.Sleep(context.Background(), f.before)
	var a answer
	a.accepted = s.accept(r)
	_, renewed, _, _ := l.state()
	a.late = time.Since(renewed) >= leaseDuration
	s.answered(called, r, a)
	return a.accepted
}

func (l *badLine) Get(ctx context.Context) (r *resourcelock.LeaderElectionRecord, raw []byte, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) {
		r, raw, err = l.observed.Get(ctx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return r, raw, nil
}

func (l *badLine) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.call(ctx, func(ctx context.Context) error { return l.observed.Create(ctx, r) })
}

func (l *badLine) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.call(ctx, func(ctx context.Context) error { return l.observed.Update(ctx, r) })
}
