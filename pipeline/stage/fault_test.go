package stage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// deliver is a destination that is a function.
type deliver func(ctx context.Context, tell func(int, error), changes ...*pipeline.Change) error

func (d deliver) Deliver(ctx context.Context, tell func(int, error), changes ...*pipeline.Change) error {
	return d(ctx, tell, changes...)
}

// panics does what a controller's worker does when a destination may panic, and
// returns what the panic said.
func (s *Stage) panics(ctx context.Context, b *bundle) (said string) {
	defer s.queue.Done(b)
	defer func() {
		if p := recover(); p != nil {
			said = p.(string)
			s.queue.AddRateLimited(b)
		}
	}()
	_, _ = s.reconcile(ctx, b)
	return ""
}

// A panic in one delivery brings nothing back that another one has under way:
// it would be in two workers at once.
func TestAPanicWaitsForWhatIsUnderWay(t *testing.T) {
	safe := make(chan struct{})
	close(safe)
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := &recorder{held: map[types.UID]chan struct{}{"u1": release}}
		s := newTestStage(t, deliver(func(ctx context.Context, tell func(int, error), changes ...*pipeline.Change) error {
			if changes[0].UID == "u2" {
				panic("broken by u2")
			}
			return r.Deliver(ctx, tell, changes...)
		}))
		tracker := &recorder{safe: map[types.UID]chan struct{}{"u2": safe}} // so that they are delivered apart
		b := s.bundleOf(testChange(tracker, "u1"), testChange(tracker, "u2"))
		said := make(chan string, 1)
		go func() { said <- s.panics(t.Context(), b) }()
		synctest.Wait()
		if l := s.queue.Lanes()[0]; l.InFlight != 2 {
			t.Errorf("%d changes are in work while one is under way, want both", l.InFlight)
		}
		close(release)
		if got := <-said; !strings.HasPrefix(got, "broken by u2\n") || !strings.Contains(got, "fault_test.go") {
			t.Errorf("the panic said %q, want that it was broken by u2, and where", got)
		}
		time.Sleep(time.Second)
		if l := s.queue.Lanes()[0]; l.InFlight != 0 || l.Live != 1 { // the other one got through
			t.Errorf("%d changes wait and %d are in work, want one and none", l.Live, l.InFlight)
		}
	})
}

// A destination that says that all is well without telling of each change loses
// none: what it has not told of comes back.
func TestWhatIsNotToldOfComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		s := newTestStage(t, deliver(func(_ context.Context, tell func(int, error), _ ...*pipeline.Change) error {
			tell(1, nil)
			tell(1, nil) // and twice is once
			return nil
		}))
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"), testChange(r, "u2"))); !errors.Is(err, errUntold) {
			t.Errorf("error %v, want %v", err, errUntold)
		}
		r.happened(t, "begin u1", "begin u2", "ack u2")
		if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "interrupted")); got != 1 {
			t.Errorf("%v failures counted, want 1", got)
		}
		if l := s.queue.Lanes()[0]; l.InFlight != 0 || l.Live != 1 {
			t.Errorf("%d changes wait and %d are in work, want one that waits", l.Live, l.InFlight)
		}
	})
}
