package queue_test

import (
	"fmt"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// find returns where an item stands; it must be there.
func find(t *testing.T, q *queue.Queue[string, string], item string) queue.Place {
	t.Helper()
	p, ok := q.Find(item)
	if !ok {
		t.Fatalf("%s is not there", item)
	}
	return p
}

func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		if _, ok := q.Find("a/0"); ok {
			t.Error("found what never came")
		}
		for i := range 4 {
			q.Add(fmt.Sprintf("a/%d", i))
		}
		low := -1
		q.AddWithOpts(priorityqueue.AddOpts{Priority: &low}, "a/first", "a/second")
		q.Lanes() // measures from here on
		equal(t, "a place in the line", find(t, q, "a/2"), queue.Place{Waits: true, Ahead: 2, Line: 4})
		equal(t, "in the other class", find(t, q, "a/second"), queue.Place{Waits: true, Snapshot: true, Ahead: 1, Line: 2})
		item, _ := q.Get()
		time.Sleep(time.Second)
		equal(t, "in work", find(t, q, item), queue.Place{InWork: true, WorkedFor: time.Second})
		equal(t, "what follows", find(t, q, "a/2"), queue.Place{Waits: true, Ahead: 1, Line: 3})
		q.Add(item)
		equal(t, "another one waits for it", find(t, q, item), queue.Place{InWork: true, WorkedFor: time.Second, Waits: true, Line: 4})
		q.Done(item)
		equal(t, "and then for its turn", find(t, q, item), queue.Place{Waits: true, Ahead: 3, Line: 4})
		q.AddAfter("a/late", time.Minute)
		time.Sleep(time.Second)
		equal(t, "delayed", find(t, q, "a/late"), queue.Place{Waits: true, Line: 4, Delay: time.Minute - time.Second})
		takeAll(t, q)
		if _, ok := q.Find("a/2"); ok {
			t.Error("found what is done")
		}
	})
}

// One lane's stats are those that all lanes' have.
func TestLane(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	if _, ok := q.Lane("a"); ok {
		t.Error("there is a lane of what never came")
	}
	q.Add("a/1")
	q.Add("a/2")
	q.Add("b/1")
	got, ok := q.Lane("a")
	if !ok || got.Live != 2 {
		t.Errorf("%+v, %v", got, ok)
	}
	equal(t, "among all", got, q.Lanes()[0])
}

func TestFindWithoutTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{Buckets: ratelimit.New(ratelimit.Limit{QPS: 0.5, Burst: 1})})
		q.Add("a/1")
		q.Add("a/2")
		take(t, q, 1)
		q.GetMore(time.Millisecond, 1, 1, func(string, int) { t.Error("handed out without a token") })
		p := find(t, q, "a/2")
		if p.Token < time.Second || p.Token > 2*time.Second || p.Ahead != 0 {
			t.Errorf("%+v, want a token in 2 s", p)
		}
		time.Sleep(2 * time.Second)
		if p := find(t, q, "a/2"); p.Token != 0 {
			t.Errorf("%+v, want a token", p)
		}
		take(t, q, 1)
	})
}

func TestFindCountsSoMany(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	for i := range 5000 {
		q.Add(fmt.Sprintf("a/%d", i))
	}
	equal(t, "the last one", find(t, q, "a/4999"), queue.Place{Waits: true, Ahead: 4096, Line: 5000})
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("lane=%d", n), func(b *testing.B) {
			q := newNameQueue(queue.Options[string, string]{})
			for i := range n {
				q.Add(fmt.Sprintf("a/%d", i))
			}
			last := fmt.Sprintf("a/%d", n-1)
			for b.Loop() {
				q.Find(last)
			}
		})
	}
}
