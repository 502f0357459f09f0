package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrLost is why a term has ended without anybody having asked for it.
var ErrLost = errors.New("lost the lease")

var errNotLeading = errors.New("does not lead")

// fence knows how long the last renewal may be relied on. It is of one term: what
// is lost stays lost.
type fence struct {
	timing Timing

	mu      sync.Mutex
	renewed time.Time               // as the last renewal that succeeded has it; zero: none has
	lost    error                   // why, once it is
	onLost  context.CancelCauseFunc // called with it; nil: nobody waits
}

// age is how long ago t was, by whichever clock says longer.
func age(t, now time.Time) time.Duration {
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// watch has lose called, once, when the lease is lost.
func (f *fence) watch(lose context.CancelCauseFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onLost = lose
}

// renew notes a renewal that succeeded and says the time given. One that
// comes after the deadline of its predecessor is not counted: another process may
// have led in between.
func (f *fence) renew(began, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.renewed.IsZero() || f.checkLocked(now) == nil {
		f.renewed = began
	}
}

// check returns nil while the last renewal is younger than the renew deadline.
func (f *fence) check(now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.checkLocked(now)
}

func (f *fence) checkLocked(now time.Time) error {
	if f.lost != nil {
		return f.lost
	}
	if f.renewed.IsZero() {
		return errNotLeading
	}
	if a := age(f.renewed, now); a >= f.timing.RenewDeadline {
		f.loseLocked(fmt.Errorf("it was not renewed for %v, and another process may lead from %v on", a.Round(time.Millisecond), f.timing.LeaseDuration))
	}
	return f.lost
}

// checkLease returns nil while no other process can lead, although this one may
// have lost the lease.
func (f *fence) checkLease(now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkLocked(now); err == nil || errors.Is(err, errTaken) || errors.Is(err, errNotLeading) {
		return err
	} else if age(f.renewed, now) < f.timing.LeaseDuration {
		return nil
	}
	return f.lost
}

// held reports whether there was a renewal, and it was not lost since.
func (f *fence) held() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.renewed.IsZero() && f.lost == nil
}

// unrenewed returns when the last renewal was, and when the term ends without another one,
// if renewals fail or the next one is overdue; else, and without a term, both are zero.
func (f *fence) unrenewed(now time.Time, fail bool) (last, ends time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.renewed.IsZero() || f.lost != nil || !fail && age(f.renewed, now) < f.timing.late() {
		return time.Time{}, time.Time{}
	}
	return f.renewed.Round(0), f.renewed.Round(0).Add(f.timing.RenewDeadline)
}

// why returns why the term was lost; nil: it was not, or there was none.
func (f *fence) why() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// lose ends the term, if there is one.
func (f *fence) lose(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.renewed.IsZero() && f.lost == nil {
		f.loseLocked(why)
	}
}

func (f *fence) loseLocked(why error) {
	f.lost = fmt.Errorf("%w: %w", ErrLost, why)
	if f.onLost != nil {
		f.onLost(f.lost)
	}
}

// left is how long the last renewal may be relied on without another.
func (f *fence) left(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.timing.RenewDeadline - age(f.renewed, now)
}
