package batch

import (
	"context"
	"fmt"
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
// comes within ten milliseconds is stored together.
type storing struct {
	mu   sync.Mutex
	next chan struct{} // closed with the next transaction; nil: nothing waits for it
}

func (s *storing) Begin(*pipeline.Change) ([]types.UID, <-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		stored := make(chan struct{})
		s.next = stored
		time.AfterFunc(10*time.Millisecond, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.next = nil
			close(stored)
		})
	}
	return nil, s.next, false
}

func (*storing) Ack(*pipeline.Change) {}

// What waits for the ledger goes before what comes later, too. Before a slow sink that is as
// much as keeps it busy meanwhile, and no more.
func TestAQuietClusterBehindAFloodOfNewObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, last = 5 * time.Millisecond, 10 * time.Second
		sink := &slow{took: func(n int) time.Duration { return time.Duration(n) * each }}
		r := startRoute(t, sink, Options{}, ratelimit.Limit{})
		origin := *testOrigin
		origin.Tracker = &storing{}
		ctx, cancel := context.WithCancel(t.Context())
		var sources sync.WaitGroup
		for cluster, pause := range map[string]time.Duration{"flood": 0, "quiet": 27 * time.Millisecond} {
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
		time.Sleep(2 * time.Second)
		sink.measure()
		time.Sleep(last)
		cancel()
		sources.Wait()
		r.end()
		if rate, could := float64(sink.accepted)/last.Seconds(), 1/each.Seconds(); rate < 0.9*could {
			t.Errorf("%.0f changes/s, want nine tenths of %.0f", rate, could)
		}
		slices.Sort(sink.quiet)
		if len(sink.quiet) < 100 {
			t.Fatalf("%d changes of the quiet cluster", len(sink.quiet))
		}
		// The ledger, three of the flood, its own, and those that share its write.
		p50, p99 := sink.quiet[len(sink.quiet)/2], sink.quiet[len(sink.quiet)*99/100]
		if p99 > 10*time.Millisecond+6*each {
			t.Errorf("the quiet cluster waited %v, %v at p99", p50, p99)
		}
		t.Logf("%.0f changes/s, batches up to %d; the quiet cluster waited %v, %v at p99", float64(sink.accepted)/last.Seconds(), sink.largest, p50, p99)
	})
}
