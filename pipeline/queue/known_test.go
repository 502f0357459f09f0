package queue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// What comes late for clusters that have been removed is still handed out, and
// leaves nothing behind. A cluster that is known keeps lane and bucket.
func TestUnknownClustersLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buckets := ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 5})
		q := newStateQueue(queue.Options[state, string]{
			LaneCapacity: 1,
			Buckets:      buckets,
			Known:        func(cluster string) bool { return cluster == "a" },
		})
		ways := []func(s state){
			func(s state) { q.Add(s) },
			func(s state) { q.AddAfter(s, time.Minute) },
			func(s state) { q.AddRateLimited(s) },
			func(s state) {
				s.name = "first in its lane"
				q.Add(s)
				offer(t, q, s, 0)
				s.name = "blocked"
				offer(t, q, s, low)
			},
		}
		const removed = 1000
		before := make([]*ratelimit.Bucket, removed)
		name := func(i int) string { return fmt.Sprint("gone-", i) }
		for i := range removed {
			q.Add(state{cluster: name(i), name: "x"})
			before[i] = buckets.Bucket(name(i))
			if err := q.RemoveCluster(t.Context(), name(i)); err != nil {
				t.Fatal(err)
			}
			if buckets.Bucket(name(i)) == before[i] {
				t.Fatal("RemoveCluster keeps the bucket")
			}
			before[i] = buckets.Bucket(name(i))
			ways[i%len(ways)](state{cluster: name(i), name: "late"})
		}
		q.Add(v("x", 1))
		stays := buckets.Bucket("a")
		equal(t, "lanes while something waits", len(q.Lanes()), removed+1)
		synctest.Wait()
		time.Sleep(time.Hour)
		items := takeAll(t, q)
		synctest.Wait()
		items = append(items, takeAll(t, q)...) // what was offered
		equal(t, "items", len(items), removed+removed/len(ways)+1)
		if s := q.Lanes(); len(s) != 1 || s[0].Cluster != "a" || s[0].HandedOut != 1 {
			t.Errorf("%d lanes are left, the first is %+v", len(s), s[0])
		}
		equal(t, "identities", q.Known(), 0)
		if buckets.Bucket("a") != stays {
			t.Error("the bucket of a known cluster is gone")
		}
		for i := range removed {
			if buckets.Bucket(name(i)) == before[i] {
				t.Fatalf("the bucket of %s is still there", name(i))
			}
		}
	})
}

// A lane of which anything is left is not freed.
func TestUnknownClusterInUse(t *testing.T) {
	for name, test := range map[string]func(q *stateQueue){
		"waits":          func(q *stateQueue) { q.Add(v("other", 1)) },
		"newer one":      func(q *stateQueue) { q.Add(v("x", 2)) },
		"delayed":        func(q *stateQueue) { q.AddAfter(v("other", 1), time.Hour) },
		"fails":          func(q *stateQueue) { q.AddRateLimited(v("x", 1)) },
		"another worker": func(q *stateQueue) { q.Add(v("other", 1)); q.Get() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newStateQueue(queue.Options[state, string]{Known: func(string) bool { return false }})
				q.Add(v("x", 1))
				item, _ := q.Get()
				test(q)
				q.Done(item)
				if s := lane(q, "a"); s.HandedOut == 0 {
					t.Errorf("the lane was freed: stats %+v", s)
				}
				q.ShutDown()
			})
		})
	}
}

// RemoveCluster and the end of the work on what was left come in any order.
func TestUnknownClusterIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{Known: func(string) bool { return false }})
		q.Add(v("x", 1))
		item, _ := q.Get()
		removed := make(chan error, 2)
		go func() { removed <- q.RemoveCluster(t.Context(), "a") }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { removed <- q.RemoveCluster(ctx, "a") }()
		synctest.Wait()
		cancel()
		if err := <-removed; err == nil {
			t.Error("RemoveCluster did not end with its context")
		}
		q.Add(v("x", 2)) // waits in a fresh lane, for the old one's item
		q.Done(item)
		if err := <-removed; err != nil {
			t.Error(err)
		}
		equal(t, "items", take(t, q, 1), []state{v("x", 2)})
		equal(t, "lanes", q.Lanes(), []queue.LaneStats{})
	})
}

// A Known that panics ends its caller, and nothing else.
func TestKnownPanics(t *testing.T) {
	q := newStateQueue(queue.Options[state, string]{Known: func(string) bool { panic("as if") }})
	q.Add(v("x", 1))
	item, _ := q.Get()
	drained := make(chan struct{})
	q.Add(v("y", 1))
	other, _ := q.Get()
	q.Done(other) // something is left, so it is not asked
	func() {
		defer func() {
			if p := recover(); p != "as if" {
				t.Errorf("panic %v", p)
			}
		}()
		q.Done(item)
	}()
	equal(t, "in work", lane(q, "a").InFlight, 0) // and does not block
	go func() { q.ShutDownWithDrain(); close(drained) }()
	<-drained
}
