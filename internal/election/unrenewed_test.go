package election

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// TestALeaderTellsThatItCannotRenew: since when, and until when it leads; and then why it
// leads no more. One that hears nothing tells it before its calls end, and one that is
// refused with the first call.
func TestALeaderTellsThatItCannotRenew(t *testing.T) {
	jittered := time.Duration(jitter * float64(usual.RetryPeriod)) // the longest pause between two renewals
	for _, test := range []struct {
		name  string
		line  func(*hub) line
		after time.Duration // how long after the last renewal it is told
		says  string        // of the last call
	}{
		{"refused", func(*hub) line { return func(context.Context, bool) error { return errors.New("refused") } }, jittered, "refused"},
		{"changed before each write", func(h *hub) line {
			return func(_ context.Context, before bool) error {
				if before {
					h.give(h.holder())
				}
				return nil
			}
		}, jittered, apierrors.NewConflict(leases, "lease", nil).Error()},
		{"silent", func(*hub) line { return hang }, usual.late(), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &hub{}
				a := join(t, h, "a")
				term := <-a.term
				for range 60 {
					time.Sleep(time.Second)
					if s := a.Status(); !s.Unrenewed.IsZero() || !s.Ends.IsZero() || s.Lost != nil {
						t.Fatalf("a leader that is well: %+v", s)
					}
				}
				a.client.through(test.line(h))
				h.mu.Lock()
				last := h.record.RenewTime.Time
				h.mu.Unlock()
				time.Sleep(time.Until(last.Add(test.after)))
				synctest.Wait()
				s := a.Status()
				if !s.Leading || !s.Unrenewed.Equal(last) || !s.Ends.Equal(last.Add(usual.RenewDeadline)) || s.LastError != test.says || s.Lost != nil {
					t.Errorf("%v after the last renewal: %+v", test.after, s)
				}
				<-term.Done()
				if now := time.Now(); now.Before(s.Ends) || now.Sub(s.Ends) > time.Second {
					t.Errorf("the term has ended at %v, and it was told that it would at %v", now, s.Ends)
				}
				s = a.Status()
				if s.Leading || !s.Unrenewed.IsZero() || !s.Ends.IsZero() || !errors.Is(s.Lost, ErrLost) || !strings.Contains(s.Lost.Error(), "not renewed") {
					t.Errorf("after the term: %+v", s)
				}
				a.finish <- true
				if err := <-a.result; !errors.Is(err, ErrLost) {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

// TestRenewalsAreOverdueInTime: after the longest pause between two, and before the deadline.
func TestRenewalsAreOverdueInTime(t *testing.T) {
	for _, timing := range []Timing{
		usual, {LeaseDuration: 2 * time.Second, RenewDeadline: 1300 * time.Millisecond, RetryPeriod: time.Second}, {LeaseDuration: time.Hour, RenewDeadline: time.Minute, RetryPeriod: time.Millisecond},
	} {
		if late := timing.late(); float64(late) <= jitter*float64(timing.RetryPeriod) || late >= timing.RenewDeadline {
			t.Errorf("%+v: %v", timing, late)
		}
	}
}
