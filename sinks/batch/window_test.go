package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// slow is a sink that takes its time, and notes when each change was accepted.
type slow struct {
	took func(n int) time.Duration

	mu        sync.Mutex
	measuring bool
	accepted  int
	largest   int             // batch
	quiet     []time.Duration // from when changes of the quiet cluster were observed
}

func (s *slow) Write(ctx context.Context, all []*pipeline.Change) error {
	done := time.NewTimer(s.took(len(all)))
	defer done.Stop()
	select {
	case <-done.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.measuring {
		return nil
	}
	s.accepted += len(all)
	s.largest = max(s.largest, len(all))
	for _, c := range all {
		if c.Key.Cluster == "quiet" {
			s.quiet = append(s.quiet, time.Since(c.Observed))
		}
	}
	return nil
}

func (s *slow) measure() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measuring = true
}

// Under a flood of one cluster a sink does nearly what it can, and a quiet cluster
// waits for no more than what is under way.
func TestAFloodBesideAQuietCluster(t *testing.T) {
	same := func(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }
	each := func(d time.Duration) func(int) time.Duration {
		return func(n int) time.Duration { return time.Duration(n) * d }
	}
	for name, test := range map[string]struct {
		took         func(n int) time.Duration
		warmUp, last time.Duration
		p50, p99     time.Duration // at most, if that is not told by the sink's time
	}{
		"50 ms whatever the batch":  {same(50 * time.Millisecond), 2 * time.Second, 2 * time.Second, 90 * time.Millisecond, 115 * time.Millisecond},
		"200 ms whatever the batch": {same(200 * time.Millisecond), 6 * time.Second, 6 * time.Second, 0, 0},
		"5 ms per change":           {each(5 * time.Millisecond), 2 * time.Second, 4 * time.Second, 0, 0},
		"1 ms":                      {same(time.Millisecond), 40 * time.Millisecond, 40 * time.Millisecond, 0, 0},
		// As by hand: one write under way, one of each other cluster, and its own.
		"300 per second": {each(time.Second / 300), 2 * time.Second, 10 * time.Second, 20 * time.Millisecond, 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &slow{took: test.took}
				r := startRoute(t, sink, Options{}, ratelimit.Limit{})
				ctx, cancel := context.WithCancel(t.Context())
				var sources sync.WaitGroup
				source := func(cluster string, pause time.Duration) {
					sources.Go(func() {
						for i := 0; ; i++ {
							c := change(fmt.Sprint(i), 1)
							c.Key.Cluster, c.Observed = cluster, time.Now()
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
				sources.Go(func() {
					for i := 0; ; i++ {
						c := change(fmt.Sprint(i), 1)
						c.Key.Cluster, c.Observed = "flood", time.Now()
						if r.queue.Offer(ctx, c, 0) != nil {
							return
						}
					}
				})
				source("quiet", test.warmUp/97)
				time.Sleep(test.warmUp)
				sink.measure()
				time.Sleep(test.last)
				cancel()
				sources.Wait()
				r.end()

				could := 0.0
				for _, n := range []int{1, 1000} {
					could = max(could, float64(n)/test.took(n).Seconds())
				}
				if rate := float64(sink.accepted) / test.last.Seconds(); rate < 0.8*could {
					t.Errorf("%.0f changes/s, want four fifths of %.0f", rate, could)
				}
				slices.Sort(sink.quiet)
				if len(sink.quiet) < 40 {
					t.Fatalf("%d changes of the quiet cluster", len(sink.quiet))
				}
				p50, p99 := sink.quiet[len(sink.quiet)/2], sink.quiet[len(sink.quiet)*99/100]
				want := 2*test.took(1) + test.took(sink.largest)
				if test.p99 > 0 {
					want = test.p99
				}
				if p99 > want || test.p50 > 0 && p50 > test.p50 {
					t.Errorf("the quiet cluster waited %v, %v at p99; want %v at most", p50, p99, want)
				}
				t.Logf("%.0f changes/s of %.0f, batches up to %d; the quiet cluster waited %v, %v at p99", float64(sink.accepted)/test.last.Seconds(), could, sink.largest, p50, p99)
			})
		})
	}
}

// keyed is a sink that may be written to by several goroutines at once, and minds
// when two of them have the same key.
type keyed struct {
	mu      sync.Mutex
	writing map[pipeline.Key]bool
	most    int // writes at once
	now     int
	release chan error
}

func (s *keyed) Write(_ context.Context, all []*pipeline.Change) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	for _, c := range all {
		if s.writing[c.Key] {
			panic("two writes of " + c.Key.String())
		}
		s.writing[c.Key] = true
	}
	s.mu.Unlock()
	err := <-s.release
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	for _, c := range all {
		delete(s.writing, c.Key)
	}
	return err
}

// Several writes may be under way, but never two with one key: also when the caller
// of the first has given up.
func TestConcurrentWritesHaveDifferentKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &keyed{writing: map[pipeline.Key]bool{}, release: make(chan error)}
		b, stop := start(t, sink, Options{Concurrency: 3, MinBatch: 2, MaxBatch: 2, ReconnectMin: time.Millisecond, ReconnectMax: time.Millisecond})
		var wg sync.WaitGroup
		deliver := func(ctx context.Context, all ...*pipeline.Change) {
			wg.Go(func() {
				if err := b.Deliver(ctx, taken(t), all...); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		deliver(ctx, change("a", 1))
		cancel()
		synctest.Wait()
		deliver(t.Context(), change("a", 2), change("b", 1))
		if sink.now != 1 {
			t.Errorf("%d writes at once, want the first one alone", sink.now)
		}
		sink.release <- errors.New("down")
		time.Sleep(time.Second)
		deliver(t.Context(), change("c", 1), change("d", 1))
		deliver(t.Context(), change("e", 1))
		deliver(t.Context(), change("f", 1), change("g", 1), change("h", 1))
		if sink.now != 3 {
			t.Errorf("%d writes at once, want 3", sink.now)
		}
		if diff := cmp.Diff(3, b.Status().Waiting); diff != "" {
			t.Errorf("waiting (-want +got):\n%s", diff)
		}
		close(sink.release)
		wg.Wait()
		if sink.most != 3 {
			t.Errorf("at most %d writes at once, want 3", sink.most)
		}
		stop()
	})
}
