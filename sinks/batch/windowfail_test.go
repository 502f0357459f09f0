package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// narrow is a sink that fails with what is too large for it.
type narrow struct {
	took func(n int) time.Duration

	mu       sync.Mutex
	fits     int
	accepted int
	largest  int // batch that was accepted
	failed   int // writes
}

func (s *narrow) Write(_ context.Context, all []*pipeline.Change) error {
	time.Sleep(s.took(len(all)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(all) > s.fits {
		s.failed++
		return errors.New("deadline exceeded")
	}
	s.accepted += len(all)
	s.largest = max(s.largest, len(all))
	return nil
}

// fitsFrom has it take batches of n from now on, and returns what it has accepted until now.
func (s *narrow) fitsFrom(n int) (accepted, largest, failed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	accepted, largest, failed = s.accepted, s.largest, s.failed
	s.fits, s.accepted, s.largest, s.failed = n, 0, 0, 0
	return accepted, largest, failed
}

// A batch that fails as a whole is not written again as it was, for ever, and neither is one
// that is larger than what a sink can do in its time. What it can do is found again when it can
// do more, also after an outage.
func TestASinkThatFailsWithWhatIsTooLarge(t *testing.T) {
	for name, test := range map[string]struct {
		took  func(n int) time.Duration
		fits  int
		last  time.Duration
		least int // changes that are accepted in that time
		again time.Duration
	}{
		"beyond 100, 50 ms whatever the batch": {func(int) time.Duration { return 50 * time.Millisecond }, 100, time.Minute, 15_000, 5 * time.Second},
		"beyond one, 6 s each and 10 s at most": {
			func(n int) time.Duration { return min(time.Duration(n)*6*time.Second, 10*time.Second) }, 1, time.Hour, 500, 10 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &narrow{took: test.took, fits: test.fits}
				r := startRoute(t, sink, Options{ReconnectMax: time.Second}, ratelimit.Limit{})
				ctx, cancel := context.WithCancel(t.Context())
				var sources sync.WaitGroup
				sources.Go(func() {
					for i := 0; r.queue.Offer(ctx, change(fmt.Sprint(i), 1), 0) == nil; i++ {
					}
				})
				time.Sleep(test.last)
				accepted, largest, failed := sink.fitsFrom(0) // it is down
				if accepted < test.least || largest > test.fits {
					t.Errorf("%d changes accepted, want %d at least", accepted, test.least)
				}
				t.Logf("%d changes accepted in %v, in batches of up to %d; %d writes have failed", accepted, test.last, largest, failed)
				time.Sleep(test.last)
				sink.fitsFrom(1000)
				time.Sleep(test.again)
				if _, largest, _ := sink.fitsFrom(0); largest < 1000 {
					t.Errorf("batches of up to %d when it has been back for %v, want 1000", largest, test.again)
				}
				cancel()
				sources.Wait()
				r.end()
			})
		})
	}
}
