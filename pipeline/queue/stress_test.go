package queue_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// Many streams, workers and an operator at once, bounded by counts. The last
// version of every object arrives, versions of one object never go backwards,
// and none is in two workers at once.
//
// In a bubble the goroutines run as parallel as outside; only nobody has to
// wait for delays and tokens.
func TestStress(t *testing.T) { synctest.Test(t, testStress) }

func testStress(t *testing.T) {
	const streams, objects, versions, workers = 12, 20, 50, 8
	q := newStateQueue(queue.Options[state, string]{
		LaneCapacity: 8, LaneBytes: 200,
		Buckets: ratelimit.New(ratelimit.Limit{QPS: 50_000, Burst: 10}),
	})
	var mu sync.Mutex
	seen := make(map[string]int)
	busy := make(map[string]bool)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for {
				s, shutdown := q.Get()
				if shutdown {
					return
				}
				mu.Lock()
				if busy[s.id()] {
					t.Errorf("%s is in two workers at once", s.id())
				}
				busy[s.id()] = true
				if s.version < seen[s.id()] {
					t.Errorf("%s: version %d after %d", s.id(), s.version, seen[s.id()])
				}
				seen[s.id()] = s.version
				mu.Unlock()
				failed := r.IntN(20) == 0
				mu.Lock()
				busy[s.id()] = false
				mu.Unlock()
				if failed {
					q.AddRateLimited(s)
				} else {
					q.Forget(s)
				}
				q.Done(s)
			}
		})
	}
	var feed sync.WaitGroup
	for stream := range streams {
		feed.Go(func() {
			r := rand.New(rand.NewPCG(uint64(stream), 3))
			for version := 1; version <= versions; version++ {
				for _, object := range r.Perm(objects) {
					s := state{fmt.Sprint("c", stream%4), fmt.Sprintf("%d-%d", stream, object), version, r.IntN(50)}
					if err := q.Offer(t.Context(), s, r.IntN(3)-1); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	var stop atomic.Bool
	var operator sync.WaitGroup
	operator.Go(func() {
		for i := 0; !stop.Load(); i++ {
			c := fmt.Sprint("c", i%4)
			q.SetWeight(c, i%5)
			q.SetLimit(c, ratelimit.Limit{QPS: float64(i%3) * 50_000, Burst: 10})
			q.Lanes()
			if err := q.RemoveCluster(t.Context(), "nobody"); err != nil {
				t.Error(err)
			}
			time.Sleep(7 * time.Microsecond)
		}
	})
	feed.Wait()
	stop.Store(true)
	operator.Wait()
	for !drained(q) {
		time.Sleep(time.Second)
	}
	q.ShutDownWithDrain()
	work.Wait()
	equal(t, "objects seen", len(seen), streams*objects)
	for id, version := range seen {
		if version != versions {
			t.Errorf("%s: the last version seen is %d", id, version)
		}
	}
}

func drained(q *stateQueue) bool {
	for _, s := range q.Lanes() {
		if s.Live+s.Snapshot+s.Delayed+s.InFlight > 0 {
			return false
		}
	}
	return true
}

// Clusters come and go while their streams offer and workers fail.
func TestStressRemoval(t *testing.T) {
	const rounds = 200
	q := newStateQueue(queue.Options[state, string]{LaneCapacity: 4})
	var work, streams sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for {
				s, shutdown := q.Get()
				if shutdown {
					return
				}
				if s.version%7 == 0 {
					q.AddAfter(s, time.Microsecond)
				}
				q.Done(s)
			}
		})
	}
	for c := range 3 {
		for stream := range 2 {
			streams.Go(func() {
				for i := range rounds * 10 {
					// Refused whenever the cluster is just being removed.
					_ = q.Offer(t.Context(), state{fmt.Sprint("c", c), fmt.Sprint(stream, " ", i%9), i, 0}, 0)
				}
			})
		}
		streams.Go(func() {
			for range rounds {
				if err := q.RemoveCluster(t.Context(), fmt.Sprint("c", c)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	streams.Wait()
	for c := range 3 {
		if err := q.RemoveCluster(t.Context(), fmt.Sprint("c", c)); err != nil {
			t.Error(err)
		}
	}
	equal(t, "lanes", q.Lanes(), []queue.LaneStats{})
	q.ShutDown()
	work.Wait()
}
