package queue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// A first list and live changes take no tokens from each other: what waits for
// one leaves the other its turns.
func TestClassesHaveTokensOfTheirOwn(t *testing.T) {
	spent := func() *ratelimit.Buckets { return ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 1}) }
	for name, test := range map[string]struct {
		o    queue.Options[string, string]
		want map[string]int // handed out at once, of ten of each
		rest time.Duration  // until all are handed out
	}{
		"the snapshot needs none": {queue.Options[string, string]{Buckets: spent()}, map[string]int{"live": 1, "listed": 10}, 9 * time.Second},
		"live ones need none":     {queue.Options[string, string]{SnapshotBuckets: spent()}, map[string]int{"live": 10, "listed": 1}, 9 * time.Second},
		"each has its own": {
			queue.Options[string, string]{Buckets: spent(), SnapshotBuckets: spent()}, map[string]int{"live": 1, "listed": 1}, 9 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(test.o)
				start := time.Now()
				for i := range 10 {
					q.AddWithOpts(opts{Priority: new(low)}, fmt.Sprint("a/listed", i))
					q.Add(fmt.Sprint("a/live", i))
				}
				var at []string
				got := make(map[string]int)
				for range 20 {
					item, _ := q.Get()
					q.Done(item)
					at = append(at, fmt.Sprint(time.Since(start).Round(time.Millisecond), " ", item))
					if time.Since(start) == 0 {
						got[strings.TrimRight(strings.TrimPrefix(item, "a/"), "0123456789")]++
					}
				}
				equal(t, "at once", got, test.want)
				if took := time.Since(start).Round(time.Millisecond); took != test.rest {
					t.Errorf("all were handed out after %v, want %v: %v", took, test.rest, at)
				}
			})
		})
	}
}

// What is given back is there at once for whatever waits for it: of its class, and of the whole queue.
func TestGiveBack(t *testing.T) {
	for name, prepare := range map[string]func(*queue.Queue[string, string]){
		"lane":  func(q *queue.Queue[string, string]) { q.SetLimit("a", perSecond(0.01)) },
		"queue": func(q *queue.Queue[string, string]) { q.SetTotalLimit(perSecond(0.01)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(queue.Options[string, string]{})
				prepare(q)
				start := time.Now()
				q.Add("a/1")
				q.Add("a/2")
				first, _ := q.Get()
				q.AddAfter(first, time.Minute)
				q.Done(first)
				got := worker(q)
				if n := len(got()); n != 0 {
					t.Fatalf("%d were handed out without a token", n)
				}
				q.GiveBack(first, 0)
				q.GiveBack("unknown/1", low)
				if got := got(); len(got) != 1 || got["a/2"] != 0 {
					t.Errorf("handed out %v, want a/2 at once", got)
				}
				time.Sleep(100*time.Second + time.Millisecond)
				if got := got(); got["a/1"] != 100*time.Second {
					t.Errorf("handed out %v after %v, want a/1 with the next token", got, time.Since(start))
				}
				stopNow(t, q)
			})
		})
	}
}

// A controller's tokens are for reconciles, whatever asks for them, unless it has
// buckets for its first lists.
func TestControllerSharesTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listed := func(o queue.Options[string, string]) time.Duration {
			o.Cluster = func(string) string { return "a" }
			o.Buckets = ratelimit.New(ratelimit.Limit{QPS: 1, Burst: 1})
			var q *queue.Queue[string, string]
			queue.Fair(o, func(made *queue.Queue[string, string]) { q = made })("", nil)
			for i := range 5 {
				q.AddWithOpts(opts{Priority: new(low)}, fmt.Sprint(i))
			}
			start := time.Now()
			take(t, q, 5)
			q.ShutDown()
			return time.Since(start).Round(time.Millisecond)
		}
		equal(t, "unless asked", listed(queue.Options[string, string]{}), 4*time.Second)
		equal(t, "if asked", listed(queue.Options[string, string]{SnapshotBuckets: ratelimit.New(ratelimit.Limit{})}), time.Duration(0))
	})
}

// An item that becomes live needs no token of the snapshot's any more.
func TestRaisedItemLeavesTheShutGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{SnapshotBuckets: ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 1})})
		got := make(chan string, 9)
		go func() {
			for item, shutdown := q.Get(); !shutdown; item, shutdown = q.Get() {
				q.Done(item)
				got <- item
			}
		}()
		for _, item := range []string{"a/1", "a/2", "a/3"} {
			q.AddWithOpts(opts{Priority: new(low)}, item)
			synctest.Wait()
		}
		equal(t, "of the first list", len(got), 1)
		q.Add("a/3")
		synctest.Wait()
		equal(t, "once it is live", len(got), 2)
		q.SetSnapshotLimit("a", ratelimit.Limit{})
		synctest.Wait()
		equal(t, "without a limit", len(got), 3)
		q.ShutDown()
	})
}
