package election

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A leader that gives way learns who leads next, and whether anybody does.
func TestSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{}
		a, b := pair(t, h)
		if s := a.Status(); time.Since(s.Renewed) > usual.RetryPeriod || s.Token != a.Token() || s.Token == 0 {
			t.Errorf("the leader: %+v", s)
		}
		// It has looked within a retry period, and client-go stretches that.
		if s := b.Status(); time.Since(s.Renewed) > usual.RetryPeriod+time.Duration(jitter*float64(usual.RetryPeriod)) || s.Token != 0 {
			t.Errorf("the follower: %+v", s)
		}
		end(t, a)
		released := time.Now()
		if next := a.Successor(t.Context()); next != "b" {
			t.Errorf("after a there leads %q", next)
		}
		if a.Status().Leading {
			t.Error("a leads, too")
		}
		<-b.term
		// Both look once in a retry period.
		if took := time.Since(released); took > usual.RetryPeriod+time.Duration(jitter*float64(usual.RetryPeriod)) {
			t.Errorf("it took %v", took)
		}
		end(t, b)
		released = time.Now()
		if next := b.Successor(t.Context()); next != "" || time.Since(released) != usual.LeaseDuration {
			t.Errorf("after b, which nobody waits for, there leads %q after %v", next, time.Since(released))
		}
	})
}
