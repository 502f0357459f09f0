package queue_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// The contract of controller-runtime's priority queue, as its own tests have
// it, with two classes for its many levels.

type opts = priorityqueue.AddOpts

type got struct {
	Item     string
	Priority int
}

func takeWithPriority(t *testing.T, q priorityqueue.PriorityQueue[string], n int) []got {
	t.Helper()
	var items []got
	for range n {
		item, priority, shutdown := q.GetWithPriority()
		if shutdown {
			t.Fatal("shut down")
		}
		q.Done(item)
		items = append(items, got{item, priority})
	}
	return items
}

func TestPriorityQueue(t *testing.T) {
	type add struct {
		opts  opts
		items []string
	}
	low := new(handler.LowPriority)
	for name, test := range map[string]struct {
		adds []add
		len  int
		want []got
	}{
		"one item": {
			adds: []add{{opts{}, []string{"foo"}}},
			len:  1, want: []got{{"foo", 0}},
		},
		"in the order they came": {
			adds: []add{{opts{}, []string{"foo"}}, {opts{}, []string{"bar", "baz"}}},
			len:  3, want: []got{{"foo", 0}, {"bar", 0}, {"baz", 0}},
		},
		"no item": {
			adds: []add{{opts{}, nil}},
		},
		"deduplicates": {
			adds: []add{{opts{}, []string{"foo", "foo"}}},
			len:  1, want: []got{{"foo", 0}},
		},
		"keeps the highest priority": {
			adds: []add{{opts{Priority: new(1)}, []string{"foo"}}, {opts{Priority: new(2)}, []string{"foo"}}},
			len:  1, want: []got{{"foo", 2}},
		},
		"does not lower the priority": {
			adds: []add{{opts{Priority: new(2)}, []string{"foo"}}, {opts{Priority: new(1)}, []string{"foo"}}},
			len:  1, want: []got{{"foo", 2}},
		},
		"live before snapshot": {
			adds: []add{{opts{Priority: low}, []string{"foo", "bar"}}, {opts{}, []string{"baz"}}},
			len:  3, want: []got{{"baz", 0}, {"foo", -100}, {"bar", -100}},
		},
		"moves to the live class when the priority rises": {
			adds: []add{{opts{Priority: low}, []string{"foo", "bar", "baz"}}, {opts{Priority: new(1)}, []string{"baz"}}},
			len:  3, want: []got{{"baz", 1}, {"foo", -100}, {"bar", -100}},
		},
		"a live one stays live": {
			adds: []add{{opts{}, []string{"foo"}}, {opts{}, []string{"bar"}}, {opts{Priority: low}, []string{"foo"}}},
			len:  2, want: []got{{"foo", 0}, {"bar", 0}},
		},
		"goes to the end of its new class": {
			adds: []add{{opts{Priority: low}, []string{"foo"}}, {opts{Priority: new(1)}, []string{"bar"}}, {opts{Priority: new(1)}, []string{"foo"}}},
			len:  2, want: []got{{"bar", 1}, {"foo", 1}},
		},
		"after does not delay what waits": {
			adds: []add{{opts{}, []string{"foo"}}, {opts{After: time.Hour}, []string{"foo"}}},
			len:  1, want: []got{{"foo", 0}},
		},
		"after does raise the priority of what waits": {
			adds: []add{{opts{Priority: low}, []string{"foo", "bar"}}, {opts{After: time.Hour}, []string{"bar"}}},
			len:  2, want: []got{{"bar", 0}, {"foo", -100}},
		},
		"delayed ones do not count": {
			adds: []add{
				{opts{After: time.Minute}, []string{"foo"}}, {opts{}, []string{"baz"}},
				{opts{After: time.Minute}, []string{"bar"}}, {opts{}, []string{"bal"}},
			},
			len: 2, want: []got{{"baz", 0}, {"bal", 0}, {"foo", 0}, {"bar", 0}},
		},
		"no after ends the delay and keeps the priority": {
			adds: []add{{opts{After: time.Hour, Priority: new(2)}, []string{"foo"}}, {opts{Priority: new(1)}, []string{"foo"}}},
			len:  1, want: []got{{"foo", 2}},
		},
		"no after ends the delay and raises the priority": {
			adds: []add{{opts{After: time.Hour}, []string{"foo"}}, {opts{Priority: new(1)}, []string{"foo"}}},
			len:  1, want: []got{{"foo", 1}},
		},
		"rate limited": {
			adds: []add{{opts{RateLimited: true, Priority: low}, []string{"foo"}}, {opts{}, []string{"bar"}}},
			len:  1, want: []got{{"bar", 0}, {"foo", -100}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// One lane for all, so that only priority and order decide.
				q := queue.New(queue.Options[string, string]{
					Cluster:  func(string) string { return "" },
					Identity: func(s string) string { return s },
				})
				for _, a := range test.adds {
					q.AddWithOpts(a.opts, a.items...)
				}
				equal(t, "Len()", q.Len(), test.len)
				equal(t, "items", takeWithPriority(t, q, len(test.want)), test.want)
				equal(t, "Len() at the end", q.Len(), 0)
			})
		})
	}
}

func TestPriorityQueueTakesTheShorterOfBothDelays(t *testing.T) {
	for _, test := range []struct {
		opts opts
		want time.Duration
	}{
		{opts{RateLimited: true}, 5 * time.Millisecond},
		{opts{RateLimited: true, After: time.Millisecond}, time.Millisecond},
		{opts{RateLimited: true, After: time.Second}, 5 * time.Millisecond},
		{opts{After: time.Second}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newNameQueue(queue.Options[string, string]{})
			start := time.Now()
			q.AddWithOpts(test.opts, "foo")
			take(t, q, 1)
			equal(t, fmt.Sprintf("delay of %+v", test.opts), time.Since(start), test.want)
		})
	}
}

func TestPriorityQueueInWork(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.AddWithOpts(opts{}, "foo")
	q.Get()
	q.AddWithOpts(opts{Priority: new(-1)}, "foo")
	q.AddWithOpts(opts{}, "bar")
	equal(t, "while foo is in work", takeWithPriority(t, q, 1), []got{{"bar", 0}})
	q.AddWithOpts(opts{}, "baz")
	q.Done("foo")
	equal(t, "after foo is done", takeWithPriority(t, q, 2), []got{{"baz", 0}, {"foo", -1}})
}

func TestPriorityQueueAfterShutDown(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.ShutDown()
	q.AddWithOpts(opts{After: time.Second}, "foo")
	q.AddWithOpts(opts{}, "foo")
	for range 2 {
		if item, priority, shutdown := q.GetWithPriority(); item != "" || priority != 0 || !shutdown {
			t.Errorf("GetWithPriority() = %q, %d, %v", item, priority, shutdown)
		}
	}
}

func TestPriorityQueueManyItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		for range 5 {
			for i := range 1000 {
				if n := rand.N(100); n < 10 {
					q.AddWithOpts(opts{After: time.Duration(n) * time.Millisecond}, fmt.Sprint(i))
				} else {
					q.AddWithOpts(opts{Priority: new(n - 50)}, fmt.Sprint(i))
				}
			}
			var workers sync.WaitGroup
			for range 100 {
				workers.Go(func() {
					for range 10 {
						item, _, _ := q.GetWithPriority()
						q.Done(item)
					}
				})
			}
			workers.Wait()
		}
		equal(t, "Len()", q.Len(), 0)
	})
}
