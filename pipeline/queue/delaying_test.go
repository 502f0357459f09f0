package queue_test

import (
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// The contract of client-go's delaying and rate limiting queues, as its own
// tests have it.

func TestDelayingQueueOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.AddAfter("foo", 50*time.Millisecond)
		if q.Len() != 0 {
			t.Error("not delayed")
		}
		start := time.Now()
		equal(t, "items", take(t, q, 1), []string{"foo"})
		equal(t, "delay", time.Since(start), 50*time.Millisecond)
		time.Sleep(10 * time.Second)
		if q.Len() != 0 {
			t.Error("added twice")
		}
	})
}

func TestDelayingQueueKeepsTheEarlierTime(t *testing.T) {
	for _, delays := range [][2]time.Duration{{50, 70}, {70, 50}} {
		synctest.Test(t, func(t *testing.T) {
			q := newNameQueue(queue.Options[string, string]{})
			start := time.Now()
			q.AddAfter("foo", delays[0])
			q.AddAfter("foo", delays[1])
			equal(t, "items", take(t, q, 1), []string{"foo"})
			equal(t, "delay", time.Since(start), time.Duration(50))
			time.Sleep(time.Second)
			if q.Len() != 0 {
				t.Error("added twice")
			}
		})
	}
}

func TestDelayingQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.AddAfter("foo", time.Second)
		q.AddAfter("bar", 500*time.Millisecond)
		q.AddAfter("baz", 250*time.Millisecond)
		q.AddAfter("now", 0)
		q.AddAfter("past", -time.Second)
		equal(t, "items at once", takeAll(t, q), []string{"now", "past"})
		time.Sleep(2 * time.Second)
		var got []string
		for _, s := range q.Lanes() {
			if s.Delayed > 0 {
				t.Errorf("still delayed: %+v", s)
			}
		}
		got = takeAll(t, q)
		equal(t, "items", got, []string{"baz", "bar", "foo"})
	})
}

func TestDelayingQueueEarlierOneMovesTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		start := time.Now()
		q.AddAfter("foo", time.Second)
		q.AddAfter("bar", 50*time.Millisecond)
		equal(t, "first", take(t, q, 1), []string{"bar"})
		equal(t, "after", time.Since(start), 50*time.Millisecond)
		q.AddAfter("baz", 2*time.Second)
		equal(t, "second", take(t, q, 1), []string{"foo"})
		equal(t, "after", time.Since(start), time.Second)
		equal(t, "third", take(t, q, 1), []string{"baz"})
		equal(t, "after", time.Since(start), 2050*time.Millisecond)
	})
}

func TestDelayingQueueFarAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.AddAfter("foo", 1<<63-1)
		q.AddAfter("bar", time.Minute)
		equal(t, "items", take(t, q, 1), []string{"bar"})
		q.Add("foo")
		equal(t, "items", take(t, q, 1), []string{"foo"})
	})
}

func TestRateLimitingQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Millisecond, time.Second),
		})
		for _, step := range []struct {
			item string
			want time.Duration
		}{
			{"one", 1 * time.Millisecond},
			{"one", 2 * time.Millisecond},
			{"two", 1 * time.Millisecond},
			{"two", 2 * time.Millisecond},
			{"one", 4 * time.Millisecond},
		} {
			start := time.Now()
			q.AddRateLimited(step.item)
			equal(t, "item", take(t, q, 1), []string{step.item})
			equal(t, "delay of "+step.item, time.Since(start), step.want)
		}
		equal(t, "requeues", q.NumRequeues("one"), 3)
		q.Forget("one")
		equal(t, "requeues after Forget", q.NumRequeues("one"), 0)
		equal(t, "requeues of the other", q.NumRequeues("two"), 2)
		start := time.Now()
		q.AddRateLimited("one")
		take(t, q, 1)
		equal(t, "delay after Forget", time.Since(start), time.Millisecond)
	})
}
