package election

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// hang is a line that swallows everything.
func hang(ctx context.Context, _ bool) error {
	<-ctx.Done()
	return ctx.Err()
}

// pair starts a leader and a follower.
func pair(t *testing.T, h *hub) (leader, follower *process) {
	t.Helper()
	leader = join(t, h, "a")
	synctest.Wait()
	if !leader.leads() {
		t.Fatal("nobody leads although nobody is in the way")
	}
	follower = join(t, h, "b")
	time.Sleep(time.Minute)
	if follower.leads() || follower.MayAct() == nil {
		t.Fatal("the follower leads although the leader renews")
	}
	if s := follower.Status(); s.Leading || s.Leader != "a" || s.LastError != "" {
		t.Errorf("status of the follower: %+v", s)
	}
	if s := leader.Status(); !s.Leading || s.Leader != "a" {
		t.Errorf("status of the leader: %+v", s)
	}
	return leader, follower
}

// end ends both, and fails on an error of the one that still leads.
func end(t *testing.T, p *process) {
	t.Helper()
	p.stop()
	p.finish <- true
	if err := <-p.result; err != nil {
		t.Errorf("Run of %s: %v", p.client.identity, err)
	}
}

func TestALeaderThatCannotRenewStopsBeforeAnotherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		var term context.Context
		a := join(t, h, "a")
		term = <-a.term
		b := join(t, h, "b")
		time.Sleep(time.Minute)
		a.client.through(hang)
		<-term.Done()
		lost := time.Now()
		if !errors.Is(context.Cause(term), ErrLost) || !errors.Is(a.MayAct(), ErrLost) {
			t.Errorf("the term ended because of %v, and MayAct says %v", context.Cause(term), a.MayAct())
		}
		if b.leads() {
			t.Error("another one led before")
		}
		if err := a.MayStore(); err != nil {
			t.Errorf("what was delivered cannot be stored: %v", err)
		}
		<-b.term
		// The renewal may have begun a retry period before the line broke.
		if rest := time.Since(lost); rest < usual.LeaseDuration-usual.RenewDeadline {
			t.Errorf("what was under way had %v to end", rest)
		}
		if err := a.MayStore(); !errors.Is(err, ErrLost) {
			t.Errorf("MayStore = %v although another one leads", err)
		}
		// The line is mended, but nothing revives a term.
		a.client.line.Store(nil)
		time.Sleep(time.Hour)
		if err := a.MayAct(); !errors.Is(err, ErrLost) {
			t.Errorf("MayAct = %v, much later", err)
		}
		a.finish <- true
		if err := <-a.result; !errors.Is(err, ErrLost) {
			t.Errorf("Run = %v", err)
		}
		if got := h.holder(); got != "b" {
			t.Errorf("%q holds the lease: it was released by one that had lost it", got)
		}
		end(t, b)
	})
}

func TestTheLeaseIsReleasedAfterTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &hub{})
		a.stop()
		time.Sleep(time.Hour) // a long drain
		if err := a.MayAct(); err != nil || b.leads() {
			t.Errorf("while it drains, the leader may not act: %v", err)
		}
		a.finish <- true
		if err := <-a.result; err != nil {
			t.Error(err)
		}
		released := time.Now()
		<-b.term
		if waited := time.Since(released); waited > 3*usual.RetryPeriod {
			t.Errorf("the next one led after %v", waited)
		}
		end(t, b)
	})
}

func TestWhatStillRunsKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &hub{})
		a.finish <- false
		if err := <-a.result; err != nil {
			t.Error(err)
		}
		ended := time.Now()
		<-b.term
		if waited := time.Since(ended); waited < usual.LeaseDuration-usual.RetryPeriod {
			t.Errorf("the next one led after %v, although something of the first may still run", waited)
		}
		end(t, b)
	})
}

func TestALeaseThatIsGivenAwayEndsTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		a := join(t, h, "a")
		term := <-a.term
		time.Sleep(time.Second)
		h.give("somebody")
		given := time.Now()
		<-term.Done()
		if took := time.Since(given); took > usual.RetryPeriod {
			t.Errorf("noticed after %v", took)
		}
		// Somebody else may act already.
		if a.MayAct() == nil || a.MayStore() == nil {
			t.Error("it acts on")
		}
		a.finish <- true
		if err := <-a.result; !errors.Is(err, errTaken) || h.holder() != "somebody" {
			t.Errorf("Run = %v, and %q holds the lease", err, h.holder())
		}
	})
}

func TestReleaseSparesAnotherHolder(t *testing.T) {
	h := &hub{}
	l := &lock{Interface: &client{hub: h, identity: "a"}, fence: &fence{timing: usual}}
	h.give("b")
	if err := l.release(t.Context()); err != nil || h.holder() != "b" {
		t.Errorf("release = %v, and %q holds the lease", err, h.holder())
	}
	h.give("a")
	if err := l.release(t.Context()); err != nil || h.holder() != "" {
		t.Errorf("release = %v, and %q holds the lease", err, h.holder())
	}
}

func TestAFollowerEndsWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &hub{})
		b.stop()
		if err := <-b.result; err != nil {
			t.Error(err)
		}
		end(t, a)
	})
}

func TestTheErrorsOfTheHubAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, &hub{})
		b.client.through(func(context.Context, bool) error { return errors.New("refused") })
		time.Sleep(time.Minute)
		if s := b.Status(); s.LastError != "refused" || s.Leader != "a" {
			t.Errorf("status %+v", s)
		}
		b.client.line.Store(nil)
		time.Sleep(time.Minute)
		if s := b.Status(); s.LastError != "" {
			t.Errorf("status %+v", s)
		}
		b.stop()
		if err := <-b.result; err != nil {
			t.Error(err)
		}
		end(t, a)
	})
}

// TestRepeatedRenewalCountsFromTheFirst: its record was stored, but the answer was
// lost. The same record is stored again then, and others, who only see whether it
// changes, count from the first time.
func TestRepeatedRenewalCountsFromTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		a := join(t, h, "a")
		time.Sleep(time.Second)
		if !a.leads() {
			t.Fatal("it does not lead")
		}
		writes := func() (int, time.Time) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.version, h.record.RenewTime.Time
		}
		first, _ := writes()
		a.client.through(func(ctx context.Context, before bool) error {
			switch n, _ := writes(); {
			case !before && n == first+1:
				first-- // once
				<-ctx.Done()
				return ctx.Err()
			case before && n == first+3: // stored again; and that is the last that is
				return errors.New("refused")
			}
			return nil
		})
		for a.MayAct() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		_, renewed := writes()
		if age := time.Since(renewed); age > usual.RenewDeadline+10*time.Millisecond {
			t.Errorf("it may act until its record is %v old", age)
		}
		a.finish <- true
		if err := <-a.result; !errors.Is(err, ErrLost) {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestEveryRenewalIsSeen: also when several come within a second, of which
// client-go compares no parts. Else others count from the first of them, and the
// leader from the last.
func TestEveryRenewalIsSeen(t *testing.T) {
	brisk := Timing{LeaseDuration: 2 * time.Second, RenewDeadline: 1500 * time.Millisecond, RetryPeriod: 200 * time.Millisecond}
	for round := range 20 { // client-go chooses when others look
		synctest.Test(t, func(t *testing.T) {
			h := &hub{}
			a := joinWith(t, h, "a", brisk, discard)
			term := <-a.term
			b := joinWith(t, h, "b", brisk, discard)
			time.Sleep(time.Minute + time.Duration(round)*50*time.Millisecond)
			a.client.through(hang)
			<-term.Done()
			lost := time.Now()
			<-b.term
			if rest := time.Since(lost); rest < brisk.LeaseDuration-brisk.RenewDeadline {
				t.Errorf("round %d: what was under way had %v to end", round, rest)
			}
			a.finish <- true
			if err := <-a.result; !errors.Is(err, ErrLost) {
				t.Errorf("Run: %v", err)
			}
			end(t, b)
		})
	}
}

// TestACallThatHangsIsGivenUp: also one of a lock that has no timeouts of its own.
func TestACallThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		a := join(t, h, "a")
		<-a.term
		var hung atomic.Bool
		a.client.through(func(ctx context.Context, before bool) error {
			if before && !hung.Swap(true) {
				return hang(ctx, before)
			}
			return nil
		})
		time.Sleep(time.Hour)
		if err := a.MayAct(); err != nil || !hung.Load() {
			t.Errorf("one call hung (%v) and ended the term: %v", hung.Load(), err)
		}
		end(t, a)
	})
}

// TestAHolderIsShownBounded: whoever may write the record may write anything.
// A lock that does not obey its context keeps nobody from ending.
func TestALockThatHangsForEverKeepsNobody(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			stuck := make(chan struct{})
			defer close(stuck)
			a := join(t, &hub{}, "a")
			term := <-a.term
			a.client.through(func(context.Context, bool) error { <-stuck; return nil })
			if asked {
				time.Sleep(usual.RetryPeriod * 2) // the call is under way
				a.stop()
			} else {
				<-term.Done()
			}
			a.finish <- true
			if err := <-a.result; err == nil || !asked && !errors.Is(err, ErrLost) {
				t.Errorf("asked to end: %t: %v", asked, err)
			}
		})
	}
}

func TestAHolderIsShownBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{version: 1}
		h.record.LeaseDurationSeconds = 1 << 30
		h.give("\x1b[2Jevil\n" + strings.Repeat("é", 1<<20))
		a := join(t, h, "a")
		time.Sleep(time.Minute)
		if got := a.Status().Leader; len(got) > 300 || strings.ContainsAny(got, "\x1b\n") || !utf8.ValidString(got) {
			t.Errorf("the status shows %d bytes of %q", len(got), got[:20])
		}
		a.stop()
		if err := <-a.result; err != nil {
			t.Error(err)
		}
	})
}

// TestALockThatReturnsNothing: neither a record nor an error, at which client-go
// would panic.
func TestALockThatReturnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(usual, nothing{&client{hub: &hub{}, identity: "a"}}, discard)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = e.Run(ctx, func(context.Context, context.Context) (bool, error) { return true, errors.New("leads") })
		if err != nil || e.Status().LastError == "" {
			t.Errorf("Run: %v, status %+v", err, e.Status())
		}
	})
}

type nothing struct{ *client }

func (nothing) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return nil, nil, nil
}

// TestCallTimeout: what a call has done is known before another process may lead.
func TestCallTimeout(t *testing.T) {
	for _, test := range []struct{ lease, renew, want time.Duration }{
		{15 * time.Second, 10 * time.Second, 5 * time.Second},
		{30 * time.Second, 10 * time.Second, 5 * time.Second},
		{12 * time.Second, 10 * time.Second, 2 * time.Second},
	} {
		timing := Timing{LeaseDuration: test.lease, RenewDeadline: test.renew, RetryPeriod: time.Second}
		if got := timing.CallTimeout(); got != test.want {
			t.Errorf("%+v: %v, want %v", timing, got, test.want)
		}
	}
}

// TestCallsEndBeforeAnotherLeads: one that takes longer than the lease lasts beyond the
// renew deadline is given up.
func TestCallsEndBeforeAnotherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timing := Timing{LeaseDuration: 12 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second}
		a := joinWith(t, &hub{}, "a", timing, discard)
		<-a.term
		var longest atomic.Int64
		a.client.through(func(ctx context.Context, _ bool) error {
			began := time.Now()
			<-ctx.Done()
			longest.Store(max(longest.Load(), int64(time.Since(began))))
			return ctx.Err()
		})
		a.finish <- true
		if err := <-a.result; err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if got := time.Duration(longest.Load()); got > 2*time.Second {
			t.Errorf("a call was given %v", got)
		}
	})
}
