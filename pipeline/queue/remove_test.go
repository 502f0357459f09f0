package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

func TestRemoveCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buckets := ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 1})
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 3, Buckets: buckets})
		before := buckets.Bucket("a")
		q.Add(v("work", 1))
		working, _ := q.Get()
		q.Add(v("work", 2)) // waits for Done
		q.Add(v("x", 1))
		q.AddAfter(v("delayed", 1), time.Hour)
		q.AddRateLimited(v("failed", 1))
		q.AddWithOpts(opts{Priority: new(low)}, v("listed", 1))
		q.Add(state{cluster: "b", name: "stays"})
		offers := []*offering{offer(t, q, v("y", 1), 0), offer(t, q, v("z", 1), low)}
		wantBlocked(t, "full", true, offers...)

		removed := make(chan error, 1)
		go func() { removed <- q.RemoveCluster(t.Context(), "a") }()
		synctest.Wait()
		for _, o := range offers {
			if err := <-o.result; !errors.Is(err, queue.ErrClusterRemoved) {
				t.Errorf("a blocked Offer returned %v", err)
			}
		}
		if len(removed) > 0 {
			t.Fatal("removed with an item in work")
		}
		if s := lane(q, "a"); s.Live+s.Snapshot+s.Delayed != 0 || s.Bytes != 1 || s.DroppedRemoved != 5 || s.InFlight != 1 {
			t.Errorf("stats %+v", s)
		}
		if err := <-offer(t, q, v("new", 1), 0).result; !errors.Is(err, queue.ErrClusterRemoved) {
			t.Errorf("Offer during the removal returned %v", err)
		}
		q.Add(v("new", 1))
		q.AddRateLimited(working) // fails, and must not come back
		q.Done(working)
		if err := <-removed; err != nil {
			t.Error(err)
		}
		if n := q.NumRequeues(v("failed", 1)) + q.NumRequeues(working); n != 0 {
			t.Errorf("the rate limiter remembers %d failures", n)
		}
		equal(t, "lane", lane(q, "a"), queue.LaneStats{})
		if buckets.Bucket("a") == before {
			t.Error("the bucket is still there")
		}
		q.Done(working)
		time.Sleep(forever)
		equal(t, "what is left", takeAll(t, q), []state{{cluster: "b", name: "stays"}})

		// A cluster of that name is a new one.
		q.Add(v("x", 2))
		equal(t, "of the new lane", take(t, q, 1), []state{v("x", 2)})
		if s := lane(q, "a"); s.Added != 1 || s.DroppedRemoved != 0 {
			t.Errorf("stats of the new lane %+v", s)
		}
	})
}

func TestRemoveClusterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 1})
		q.Add(v("x", 1))
		working, _ := q.Get()
		patient := make(chan error, 1)
		go func() { patient <- q.RemoveCluster(t.Context(), "a") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.RemoveCluster(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RemoveCluster() = %v", err)
		}
		// The lane is gone, yet one identity is still not in two workers.
		q.Add(v("x", 2))
		equal(t, "Len() while the old one is in work", q.Len(), 0)
		if s := lane(q, "a"); s.Live != 1 || s.InFlight != 0 {
			t.Errorf("stats of the new lane %+v", s)
		}
		q.AddAfter(working, 0) // comes back from a cluster that is gone
		if s := lane(q, "a"); s.Added != 1 {
			t.Errorf("stats of the new lane %+v", s)
		}
		synctest.Wait()
		if len(patient) > 0 {
			t.Error("the first RemoveCluster has not waited for the item in work")
		}
		q.Done(working)
		if err := <-patient; err != nil {
			t.Error(err)
		}
		equal(t, "items", takeAll(t, q), []state{v("x", 2)})
	})
}

// Left is told of a cluster whose removal did not wait, once its last item is done.
func TestLeft(t *testing.T) {
	for name, test := range map[string]struct {
		between func(q *stateQueue) // the end of the removal and that of the work
		panics  bool
		waits   bool
		want    []string
	}{
		"the removal has ended": {want: []string{"a"}},
		"the removal waits":     {waits: true},
		"it has a lane again":   {between: func(q *stateQueue) { q.Add(v("y", 1)) }},
		"Known panics":          {panics: true, want: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var left []string
				var q *stateQueue
				o := queue.Options[state, string]{Left: func(cluster string) {
					left = append(left, cluster)
					q.Lanes() // it is called without the lock
				}}
				if test.panics {
					o.Known = func(string) bool { panic("as if") }
				}
				q = newStateQueue(o)
				q.Add(v("x", 1))
				q.Add(v("z", 1))
				x, _ := q.Get()
				z, _ := q.Get()
				items := []state{x, z}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				removed := make(chan error, 1)
				go func() { removed <- q.RemoveCluster(ctx, "a") }()
				synctest.Wait()
				if !test.waits {
					cancel()
					if err := <-removed; err == nil {
						t.Error("the removal has waited")
					}
				}
				if test.between != nil {
					test.between(q)
				}
				for i, item := range items {
					if len(left) > 0 {
						t.Errorf("Left was called with %q while %d items are in work", left, len(items)-i)
					}
					func() {
						defer func() { _ = recover() }()
						q.Done(item)
					}()
				}
				equal(t, "Left was told of", left, test.want)
			})
		})
	}
}

func TestRemoveClusterThatIsUnknown(t *testing.T) {
	q := newStateQueue(queue.Options[state, string]{})
	if err := q.RemoveCluster(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestRemoveClusterThatWaitsForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{Buckets: ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 1})})
		fill(q, "a", 3)
		got := make(chan string)
		go func() {
			for {
				item, shutdown := q.Get()
				if shutdown {
					close(got)
					return
				}
				q.Done(item)
				got <- item
			}
		}()
		<-got
		synctest.Wait()
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		fill(q, "a", 1) // a new lane with a new bucket
		equal(t, "item", <-got, "a/000")
		q.ShutDown()
		<-got
	})
}

func TestWeightAndLimitOutliveTheCluster(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.SetWeight("a", 2)
	q.SetLimit("a", ratelimit.Limit{QPS: 0.001, Burst: 4})
	for range 2 {
		fill(q, "b", 10)
		fill(q, "a", 10)
		equal(t, "items", clusters(take(t, q, 8)), map[string]int{"a": 4, "b": 4})
		if err := errors.Join(q.RemoveCluster(t.Context(), "a"), q.RemoveCluster(t.Context(), "b")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{Buckets: ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 1})})
		fill(q, "a", 5)
		start := time.Now()
		var workers sync.WaitGroup
		for range 3 {
			workers.Go(func() {
				for {
					item, shutdown := q.Get()
					if shutdown {
						return
					}
					q.Done(item)
				}
			})
		}
		equal(t, "left", q.Stop(t.Context()), 0)
		equal(t, "time, by tokens", time.Since(start).Round(time.Millisecond), 4*time.Second)
		workers.Wait()
	})
}

func TestStopCountsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{
			LaneCapacity: 3,
			Buckets:      ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 3}),
		})
		for i := range 3 {
			q.Add(v(fmt.Sprint(i), 1))
		}
		stuck, _ := q.Get()
		failing, _ := q.Get()
		superseded, _ := q.Get()
		q.Add(v("2", 2))
		q.AddAfter(v("delayed", 1), time.Second)
		for i := 3; i < 5; i++ {
			q.Add(v(fmt.Sprint(i), 1))
		}
		blocked := offer(t, q, v("blocked", 1), 0)

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		left := make(chan int, 1)
		go func() { left <- q.Stop(ctx) }()
		if err := <-blocked.result; !errors.Is(err, queue.ErrShuttingDown) {
			t.Errorf("a blocked Offer returned %v", err)
		}
		if err := q.Offer(t.Context(), v("late", 1), 0); !errors.Is(err, queue.ErrShuttingDown) {
			t.Errorf("Offer after Stop returned %v", err)
		}
		equal(t, "drained", take(t, q, 1), []state{v("3", 1)})
		q.AddRateLimited(failing)
		q.Done(failing)
		q.AddRateLimited(superseded)
		q.Done(superseded)
		synctest.Wait()
		// Left are: stuck in work, failing, delayed, and 2 (version 2) and 4
		// waiting for a worker.
		equal(t, "left", <-left, 5)
		if _, shutdown := q.Get(); !shutdown {
			t.Error("items are handed out after Stop")
		}
		q.Done(stuck)
		equal(t, "left after the last one is done", q.Stop(t.Context()), 4)
		if s := lane(q, "a"); s.Added != s.Coalesced+s.HandedOut+s.DroppedShutdown || s.Live+s.Delayed != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
