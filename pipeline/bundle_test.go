package pipeline

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Bundles are large only while the sinks are quick, and would be with all
// workers busy.
func TestBundlesGrowAndShrink(t *testing.T) {
	q := newBundles(nil, 64)
	of := func(parts, underWay int) *bundle { return &bundle{parts: make([]bundled, parts), underWay: underWay} }
	full := func() *bundle { return of(int(q.most.Load()), 64*int(q.most.Load())) }
	steps := []struct {
		what string
		b    *bundle
		took time.Duration
		want int32
	}{
		{"quick", full(), time.Millisecond, 2},
		{"not full", of(1, 128), time.Millisecond, 2},
		{"alone, and too slow for more", of(2, 2), busyTime/64 + time.Millisecond, 2},
		{"alone, and quick enough", of(2, 2), busyTime / 64, 4},
		{"alone, and too slow for so many", of(1, 1), busyTime/128 + time.Millisecond, 2},
	}
	for _, s := range steps {
		q.adapt(s.b, s.took)
		if got := q.most.Load(); got != s.want {
			t.Errorf("%s: %d changes at most, want %d", s.what, got, s.want)
		}
	}
	for range 10 {
		q.adapt(full(), bundleTime)
	}
	if got := q.most.Load(); got != bundleMost {
		t.Errorf("always quick: %d changes at most, want %d", got, bundleMost)
	}
	for range 10 {
		q.adapt(full(), bundleTime+1)
	}
	if got := q.most.Load(); got != 1 {
		t.Errorf("always slow: %d changes at most, want 1", got)
	}
}

// A worker that has slept takes as many as are taken when it wakes up.
func TestASleeperTakesWhatIsTakenNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		q := newTestStage(t, r).queue
		q.most.Store(bundleMost)
		got := make(chan *bundle)
		go func() {
			b, _ := q.Get()
			got <- b
		}()
		synctest.Wait()
		q.mu.Lock() // so that it wakes up when all are there
		q.most.Store(2)
		for i := range 3 {
			c := testChange(r, "u")
			c.Key.Name = fmt.Sprint(i)
			e, err := q.arriveLocked(&c.Key, q.entries.hash(c.Key), "a")
			if err != nil {
				t.Fatal(err)
			}
			q.putLocked(e, &c, 0, 0)
		}
		q.mu.Unlock()
		if b := <-got; len(b.parts) != 2 || b.underWay != 2 {
			t.Errorf("%d changes taken, %d under way, want 2", len(b.parts), b.underWay)
		}
	})
}

// serial is a destination that takes one change after the other, and its time
// for each.
type serial struct {
	turn     chan struct{} // holds one
	each     atomic.Int64
	underWay atomic.Int64
	most     atomic.Int64 // that were under way
}

func (d *serial) Deliver(_ context.Context, tell func(int, error), changes ...*Change) error {
	now := d.underWay.Add(int64(len(changes)))
	for most := d.most.Load(); now > most && !d.most.CompareAndSwap(most, now); most = d.most.Load() {
	}
	for i := range changes {
		d.turn <- struct{}{}
		time.Sleep(time.Duration(d.each.Load()))
		<-d.turn
		d.underWay.Add(-1)
		tell(i, nil)
	}
	return nil
}

// What is under way when a flood begins is what every other cluster waits for:
// a sink must not have been given more because it was quick while it had little
// to do.
func TestAFloodFindsSmallBundles(t *testing.T) {
	const workers = 64
	tests := map[string]struct{ before, quiet, flood time.Duration }{
		"always slow":     {5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond},
		"slow after all":  {5 * time.Microsecond, 5 * time.Millisecond, 5 * time.Millisecond},
		"not quite quick": {time.Millisecond, time.Millisecond, time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &serial{turn: make(chan struct{}, 1)}
				s := newTestStage(t, d)
				s.queue.workers = workers
				var wg sync.WaitGroup
				defer wg.Wait()
				defer s.queue.ShutDown()
				for range workers {
					wg.Go(func() {
						for b, down := s.queue.Get(); !down; b, down = s.queue.Get() {
							_ = s.work(t.Context(), b)
						}
					})
				}
				burst := func(n int, each time.Duration) {
					d.each.Store(int64(each))
					d.most.Store(0)
					for i := range n {
						c := testChange(nil, "u")
						c.Key.Name = fmt.Sprint(i)
						s.queue.ChangeQueue.Add(c)
					}
					time.Sleep(time.Duration(n)*each + time.Second)
				}
				burst(10_000, test.before)
				for range 100 {
					burst(3, test.quiet)
				}
				burst(2000, test.flood)
				if most := d.most.Load(); most < workers || most > 2*workers {
					t.Errorf("%d changes were under way, want 1 or 2 for each of %d workers", most, workers)
				}
			})
		})
	}
}
