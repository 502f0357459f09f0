package batch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// uneven is a sink whose writes take as long as they like, and fail at times.
type uneven struct {
	took   func() time.Duration
	failed func() bool

	mu       sync.Mutex
	busy     time.Duration // in all writes
	accepted int
}

func (s *uneven) Write(_ context.Context, all []*pipeline.Change) error {
	s.mu.Lock()
	took, failed := s.took(), s.failed()
	s.busy += took
	if !failed {
		s.accepted += len(all)
	}
	s.mu.Unlock()
	time.Sleep(took)
	if failed {
		return fmt.Errorf("after %v", took)
	}
	return nil
}

// What a write is expected to take decides when the next batch is taken, and not whether
// the sink has one: it is idle at no time under a flood, be a write shorter than expected,
// longer, or a failure, and whatever may be under way at once.
func TestAWrongEstimateLeavesTheSinkIdleAtNoTime(t *testing.T) {
	for name, test := range map[string]struct {
		shortest, longest time.Duration
		fails             float64
		writes            int
	}{
		"any time":           {time.Millisecond, 90 * time.Millisecond, 0, 1},
		"much the same":      {45 * time.Millisecond, 55 * time.Millisecond, 0, 1},
		"it fails":           {time.Millisecond, 90 * time.Millisecond, 0.1, 1},
		"four at once":       {time.Millisecond, 90 * time.Millisecond, 0, 4},
		"four, and it fails": {time.Millisecond, 90 * time.Millisecond, 0.1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 1))
				sink := &uneven{
					took: func() time.Duration {
						return test.shortest + time.Duration(r.Int64N(int64(test.longest-test.shortest)))
					},
					failed: func() bool { return r.Float64() < test.fails },
				}
				// A failed write is followed by a delay, which is none of this.
				route := startRoute(t, sink, Options{MinBatch: 1000, Concurrency: test.writes, ReconnectMin: 1, ReconnectMax: 2}, ratelimit.Limit{})
				ctx, cancel := context.WithCancel(t.Context())
				var sources sync.WaitGroup
				sources.Go(func() {
					for i := 0; ; i++ {
						c := change(fmt.Sprint(i), 1)
						c.Key.Cluster = "flood"
						if route.queue.Offer(ctx, c, 0) != nil {
							return
						}
					}
				})
				began := time.Now()
				time.Sleep(2 * time.Second / time.Duration(test.writes))
				sink.mu.Lock()
				busy, accepted := sink.busy, sink.accepted
				sink.mu.Unlock()
				idle := time.Since(began)*time.Duration(test.writes) - busy
				if idle > 50*time.Millisecond*time.Duration(test.writes) || accepted < 1000 {
					t.Errorf("the sink was idle for %v, and has accepted %d changes", idle, accepted)
				}
				t.Logf("idle for %v, %d changes accepted", idle, accepted)
				cancel()
				sources.Wait()
				route.end()
			})
		})
	}
}
