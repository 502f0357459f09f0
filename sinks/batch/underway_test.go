package batch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// storing is a tracker whose changes all wait for the ledger, as those of new objects do: what
// comes until it answers is stored together.
type storing struct {
	answers time.Duration // after that, at most
	uneven  bool          // or sooner

	mu   sync.Mutex
	next chan struct{} // closed with the next transaction; nil: nothing waits for it
}

func (s *storing) Begin(*pipeline.Change) ([]types.UID, <-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		stored := make(chan struct{})
		s.next = stored
		after := s.answers
		if s.uneven {
			after = rand.N(after)
		}
		time.AfterFunc(after, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.next = nil
			close(stored)
		})
	}
	return nil, s.next, false
}

func (*storing) Ack(*pipeline.Change) {}

// What waits for the ledger keeps all writes of a slow sink busy meanwhile. It goes before what
// comes later, too: a quiet cluster waits for no more than that.
func TestAQuietClusterBehindFloodsOfNewObjects(t *testing.T) {
	const each, last = 5 * time.Millisecond, 10 * time.Second
	for name, test := range map[string]struct {
		opts    Options
		floods  int
		answers time.Duration // the ledger, at most
		uneven  bool          // or sooner
	}{
		"one write":                      {Options{}, 1, 10 * time.Millisecond, false},
		"one write, a slow ledger":       {Options{}, 3, 40 * time.Millisecond, false},
		"one write, an uneven ledger":    {Options{}, 3, 60 * time.Millisecond, true},
		"four writes":                    {Options{Concurrency: 4}, 3, 12 * time.Millisecond, false},
		"four writes, of single changes": {Options{Concurrency: 4, MaxBatch: 1}, 3, 12 * time.Millisecond, false},
		"four writes, an uneven ledger":  {Options{Concurrency: 4}, 3, 15 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &slow{took: func(n int) time.Duration { return time.Duration(n) * each }}
				r := startRoute(t, sink, test.opts, ratelimit.Limit{})
				origin := *testOrigin
				origin.Tracker = &storing{answers: test.answers, uneven: test.uneven}
				ctx, cancel := context.WithCancel(t.Context())
				var sources sync.WaitGroup
				source := func(cluster string, pause time.Duration) {
					sources.Go(func() {
						for i := 0; ; i++ {
							c := change(fmt.Sprint(i), 1)
							c.Key.Cluster, c.Origin, c.Observed = cluster, &origin, time.Now()
							if r.queue.Offer(ctx, c, 0) != nil {
								return
							}
							select {
							case <-ctx.Done():
								return
							case <-time.After(pause):
							}
						}
					})
				}
				for i := range test.floods {
					source(fmt.Sprint("flood", i), 0)
				}
				source("quiet", 27*time.Millisecond)
				time.Sleep(40 * time.Second) // the ledger's slowest moments are known then
				sink.measure()
				time.Sleep(last)
				cancel()
				sources.Wait()
				r.end()
				could := float64(max(test.opts.Concurrency, 1)) / each.Seconds()
				rate := float64(sink.accepted) / last.Seconds()
				if rate < 0.9*could {
					t.Errorf("%.0f changes/s, want nine tenths of %.0f", rate, could)
				}
				slices.Sort(sink.quiet)
				if len(sink.quiet) < 100 {
					t.Fatalf("%d changes of the quiet cluster", len(sink.quiet))
				}
				// The ledger, for those under way and for its own; as many of them as are
				// written while it stores those that come next, a few more, and its own.
				p50, p99 := sink.quiet[len(sink.quiet)/2], sink.quiet[len(sink.quiet)*99/100]
				if p99 > 3*test.answers+5*each {
					t.Errorf("the quiet cluster waited %v, %v at p99", p50, p99)
				}
				t.Logf("%.0f changes/s of %.0f, batches up to %d; the quiet cluster waited %v, %v at p99", rate, could, sink.largest, p50, p99)
			})
		})
	}
}
