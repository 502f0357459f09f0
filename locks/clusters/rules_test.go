package clusters

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// wire is a line to one voter that can be cut, or slow to answer.
type wire struct {
	voter *simVoter
	cut   bool
	slow  time.Duration // an answer takes
	until time.Time     // if not zero, it is cut from then on
	wrote time.Time     // the last write
	deaf  chan struct{} // if not nil, no answer until it is closed, whatever the context says
}

func (w *wire) read(ctx context.Context) (*coordinationv1.Lease, error) {
	return w.call(ctx, w.voter.get)
}

func (w *wire) swap(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	return w.call(ctx, func() (*coordinationv1.Lease, error) {
		w.wrote = time.Now()
		return w.voter.cas(lease, 1)
	})
}

func (w *wire) call(ctx context.Context, do func() (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	if w.cut || !w.until.IsZero() && !time.Now().Before(w.until) {
		return nil, errors.New("connection refused")
	}
	if w.deaf != nil {
		<-w.deaf
	}
	lease, err := do()
	timer := time.NewTimer(w.slow)
	defer timer.Stop()
	select {
	case <-timer.C:
		return lease, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (w *wire) close() {}

// three are three voters, and locks on them.
type three [3]*simVoter

func newThree() three { return three{{}, {}, {}} }

// lock returns the lock of a process, and its lines.
func (v three) lock(t *testing.T, identity string, off rules) (*Lock, []*wire) {
	voters, wires, registers := make([]Voter, len(v)), make([]*wire, len(v)), make([]register, len(v))
	for i := range v {
		voters[i].Name = fmt.Sprint("voter-", i)
		wires[i] = &wire{voter: v[i]}
		registers[i] = wires[i]
	}
	l := newLock(voters, registers, Options{Namespace: "ns", Name: "lock", Identity: identity, Timeout: DefaultTimeout})
	l.rules = off
	t.Cleanup(func() { _ = l.Close() })
	return l, wires
}

func by(holder string) resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: holder, LeaseDurationSeconds: 15, RenewTime: metav1.Now()}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settle lets what is on its way arrive.
func settle() { synctest.Wait() }

// elect has a process hold the first two votes of three that were free before.
func (v three) elect(t *testing.T) (*Lock, []*wire) {
	t.Helper()
	before, _ := v.lock(t, "before", rules{})
	ok(t, before.Create(t.Context(), by("before")))
	settle()
	ok(t, before.Update(t.Context(), by("")))
	settle()
	holder, wires := v.lock(t, "holder", rules{})
	wires[2].cut = true
	_, _, err := holder.Get(t.Context())
	ok(t, err)
	ok(t, holder.Update(t.Context(), by("holder")))
	settle()
	return holder, wires
}

// attempt is what client-go's elector does for one who does not lead, while the lease
// it has seen is valid.
func attempt(t *testing.T, l *Lock) error {
	t.Helper()
	record, _, err := l.Get(t.Context())
	switch {
	case apierrors.IsNotFound(err):
		return l.Create(t.Context(), by(l.Identity()))
	case err != nil:
		return err
	case record.HolderIdentity != "":
		return errors.New("held by " + record.HolderIdentity)
	}
	return l.Update(t.Context(), by(l.Identity()))
}

// TestVotersThatForget: a process that relies on its votes is not joined by another, as
// far as the rules for voters that forget reach. Without the rule it is.
func TestVotersThatForget(t *testing.T) {
	for name, tc := range map[string]struct {
		off   rules
		seen  bool // the other process has looked before
		fault func(three)
		cut   int           // the voter that the other does not reach; 3: none
		slow  time.Duration // how long voter 0 takes to answer the other
	}{
		"restored, and seen before":          {rules{noSuspects: true}, true, func(v three) { v[1].restore(1) }, 0, 0},
		"restored, and another objects":      {rules{noObjection: true}, false, func(v three) { v[1].restore(1) }, 3, 0},
		"restored, and another objects late": {rules{noObjection: true}, false, func(v three) { v[1].restore(1) }, 3, DefaultTimeout / 10},
		"deleted":                            {rules{missingVotes: true}, false, func(v three) { v[1].remove() }, 0, 0},
		"all deleted, and seen before": {rules{noSuspects: true}, true, func(v three) {
			for _, voter := range v {
				voter.remove()
			}
		}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, off := range []rules{{}, tc.off} {
				synctest.Test(t, func(t *testing.T) {
					v := newThree()
					v.elect(t)
					other, wires := v.lock(t, "other", off)
					if tc.seen {
						if attempt(t, other) == nil {
							t.Error("it takes what is held")
						}
						settle()
					}
					tc.fault(v)
					wires[0].slow = tc.slow
					if tc.cut < len(wires) {
						wires[tc.cut].cut = true
					}
					// Until the holder has lost it.
					for began := time.Now(); time.Since(began) < renewDeadline; time.Sleep(retryPeriod) {
						err := attempt(t, other)
						settle()
						if err == nil && off == (rules{}) {
							t.Error("two processes hold it")
						}
						if err == nil {
							return
						}
					}
					if off != (rules{}) {
						t.Error("without the rule all is well: is it needed?")
					}
				})
			}
		})
	}
}

// TestForgettingEnds: what is held for suspect counts again after a lease duration.
func TestForgettingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newThree()
		v.elect(t)
		other, _ := v.lock(t, "other", rules{})
		_ = attempt(t, other)
		for _, voter := range v {
			voter.remove()
		}
		began := time.Now()
		for attempt(t, other) != nil {
			if time.Since(began) > 2*leaseDuration {
				t.Fatal("it waits for ever")
			}
			time.Sleep(retryPeriod)
		}
		if since := time.Since(began); since < leaseDuration {
			t.Errorf("it has waited for %v", since)
		}
	})
}

// stand takes part in an election. It returns when this process has begun to lead, and
// when its term has ended.
func stand(t *testing.T, l *Lock) (leads, ended <-chan time.Time) {
	t.Helper()
	timing := election.Timing{LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod}
	e, err := election.New(timing, l, logr.Discard())
	ok(t, err)
	began, over, done := make(chan time.Time, 1), make(chan time.Time, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		_ = e.Run(ctx, func(ctx, term context.Context) (bool, error) { // the error says that the term has ended
			began <- time.Now()
			select {
			case <-term.Done():
				over <- time.Now()
			case <-ctx.Done():
			}
			return true, nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return began, over
}

// TestTimeCountsFromTheRequestOn: who holds the record relies on a renewal from its
// request on, and not from its answer on, which is late. So the term has ended before
// another process holds it.
func TestTimeCountsFromTheRequestOn(t *testing.T) {
	const late = 3 * time.Second
	synctest.Test(t, func(t *testing.T) {
		v := newThree()
		before, _ := v.lock(t, "before", rules{})
		ok(t, before.Create(t.Context(), by("before")))
		settle()
		ok(t, before.Update(t.Context(), by("")))
		settle()
		holder, wires := v.lock(t, "holder", rules{})
		holder.o.Timeout = 2 * late
		for _, w := range wires {
			w.slow, w.until = late, time.Now().Add(time.Minute)
		}
		leads, ended := stand(t, holder)
		<-leads
		other, _ := v.lock(t, "other", rules{})
		othersLeads, _ := stand(t, other)
		over, next := <-ended, <-othersLeads
		settle()
		var last time.Time // that was answered
		for _, w := range wires {
			last = latest(last, w.wrote)
		}
		if since := over.Sub(last); since > renewDeadline {
			t.Errorf("it relies on its last renewal for %v", since)
		}
		if since := next.Sub(last); since <= leaseDuration {
			t.Errorf("another takes it after %v", since)
		}
	})
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TestTimesOfOthersDecideNothing: a vote counts for as long as this process has seen it, by
// its own clock, whatever the clock of whoever wrote it said.
func TestTimesOfOthersDecideNothing(t *testing.T) {
	for name, renewed := range map[string]time.Time{"behind": noon.Add(-time.Hour), "ahead": noon.Add(time.Hour)} {
		v := good("holder")
		v.record.RenewTime = metav1.NewTime(renewed)
		var s seat
		s.note(leaseOf(t, v), v, noon)
		if s.unchanged(leaseDuration, noon.Add(leaseDuration)) {
			t.Errorf("its clock is %s: the vote is free too early", name)
		}
		if !s.unchanged(leaseDuration, noon.Add(leaseDuration+time.Millisecond)) {
			t.Errorf("its clock is %s: the vote stays for ever", name)
		}
	}
}

// TestUnknownIsNoConflict: after a write of unknown outcome the next one asks nobody, and
// does not say that the voters are well.
func TestUnknownIsNoConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		holder, wires := newThree().elect(t)
		cut := func(on bool) {
			for _, w := range wires {
				w.cut = on
			}
		}
		cut(true)
		if err := holder.Update(t.Context(), by("holder")); err == nil || apierrors.IsConflict(err) {
			t.Errorf("all are cut off: %v", err)
		}
		settle()
		cut(false)
		if err := holder.Update(t.Context(), by("holder")); err == nil || apierrors.IsConflict(err) {
			t.Errorf("after a write of unknown outcome: %v", err)
		}
		_, _, err := holder.Get(t.Context())
		ok(t, err)
		ok(t, holder.Update(t.Context(), by("holder")))
		settle()
	})
}

// TestCallsEnd: also without a deadline, and if a voter does not obey its context.
func TestCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		holder, wires := newThree().elect(t)
		_, _, err := holder.Get(t.Context())
		ok(t, err)
		settle()
		deaf := make(chan struct{})
		defer close(deaf)
		for _, w := range wires {
			w.deaf = deaf
		}
		if err := holder.Update(context.Background(), by("holder")); err == nil {
			t.Error("it has written")
		}
		if _, _, err := holder.Get(context.Background()); err == nil {
			t.Error("it has read")
		}
		if err := holder.Create(context.Background(), by("holder")); err == nil {
			t.Error("it has made it")
		}
	})
}
