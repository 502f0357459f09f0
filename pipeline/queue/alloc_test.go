//go:build !race

package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// In a steady state an item costs no allocation, whichever way it goes.
func TestNoAllocations(t *testing.T) {
	newQueue := func(limit ratelimit.Limit) *queue.Queue[*pipeline.Change, pipeline.Key] {
		return queue.New(queue.Options[*pipeline.Change, pipeline.Key]{
			Cluster:  func(c *pipeline.Change) string { return c.Key.Cluster },
			Identity: func(c *pipeline.Change) pipeline.Key { return c.Key },
			Size:     (*pipeline.Change).Size,
			Buckets:  ratelimit.New(limit),
		})
	}
	changes := make([]*pipeline.Change, 100)
	for i := range changes {
		changes[i] = &pipeline.Change{Key: pipeline.Key{Cluster: fmt.Sprint(i % 7), Resource: "pods", Name: fmt.Sprint(i)}}
	}
	fast := ratelimit.Limit{QPS: 1e8, Burst: 1e6}
	for name, test := range map[string]struct {
		limit ratelimit.Limit
		do    func(q *queue.Queue[*pipeline.Change, pipeline.Key], c *pipeline.Change)
	}{
		"Add": {do: func(q *queue.Queue[*pipeline.Change, pipeline.Key], c *pipeline.Change) {
			q.Add(c)
		}},
		"Offer": {do: func(q *queue.Queue[*pipeline.Change, pipeline.Key], c *pipeline.Change) {
			if err := q.Offer(t.Context(), c, -100); err != nil {
				t.Error(err)
			}
		}},
		"coalescing": {do: func(q *queue.Queue[*pipeline.Change, pipeline.Key], c *pipeline.Change) {
			q.Add(c)
			q.Add(c)
		}},
		"tokens": {limit: fast, do: func(q *queue.Queue[*pipeline.Change, pipeline.Key], c *pipeline.Change) {
			q.Add(c)
		}},
		"a delay": {do: func(q *queue.Queue[*pipeline.Change, pipeline.Key], c *pipeline.Change) {
			q.AddAfter(c, time.Hour)
			q.Add(c)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(test.limit)
			cycle := func() {
				for _, c := range changes {
					test.do(q, c)
				}
				for range changes {
					c, _ := q.Get()
					q.Add(c) // changes while in work
					q.Done(c)
				}
				for range changes {
					c, _ := q.Get()
					q.Done(c)
				}
			}
			if n := testing.AllocsPerRun(100, cycle); n > 0 {
				t.Errorf("%v allocations per %d items", n, len(changes))
			}
			q.ShutDown()
		})
	}
}

// Nor does a request, as controllers have them.
func TestNoAllocationsOfRequests(t *testing.T) {
	var q *queue.Queue[queue.Request, queue.Request]
	made := queue.FairRequests(nil, 0, func(made *queue.Queue[queue.Request, queue.Request]) { q = made })
	made("", nil)
	items := requests(7, 100)
	if n := testing.AllocsPerRun(100, func() {
		for _, item := range items {
			q.Add(item)
		}
		for range items {
			item, _, _ := q.GetWithPriority()
			q.Add(item)
			q.Done(item)
		}
		for range items {
			item, _ := q.Get()
			if err := q.Offer(t.Context(), item, 0); err != nil {
				t.Error(err)
			}
			q.AddAfter(item, 0)
			q.Done(item)
			item, _ = q.Get()
			q.Done(item)
		}
	}); n > 0 {
		t.Errorf("%v allocations per %d items", n, len(items))
	}
	q.ShutDown()
}

// Waiting for tokens allocates nothing either.
func TestNoAllocationsWhileThrottled(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{Buckets: ratelimit.New(ratelimit.Limit{QPS: 5_000, Burst: 1})})
	items := make([]string, 20)
	for i := range items {
		items[i] = fmt.Sprint("a/", i)
	}
	if n := testing.AllocsPerRun(20, func() {
		for _, item := range items {
			q.Add(item)
		}
		for range items {
			item, _ := q.Get()
			q.Done(item)
		}
	}); n > 0 {
		t.Errorf("%v allocations per %d items", n, len(items))
	}
	if lane(q, "a").Throttles == 0 {
		t.Error("no token was waited for")
	}
	q.ShutDown()
}
