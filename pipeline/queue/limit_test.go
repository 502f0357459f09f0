package queue_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

func perSecond(n float64) ratelimit.Limit { return ratelimit.Limit{QPS: n, Burst: 1} }

// worker is done with everything at once, until the queue shuts down; it tells when each came.
func worker(q *queue.Queue[string, string]) func() map[string]time.Duration {
	var mu sync.Mutex
	start, got := time.Now(), make(map[string]time.Duration)
	go func() {
		for {
			item, shutdown := q.Get()
			if shutdown {
				return
			}
			mu.Lock()
			got[item] = time.Since(start).Truncate(time.Millisecond)
			mu.Unlock()
			q.Done(item)
		}
	}()
	return func() map[string]time.Duration {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(got)
	}
}

// stopNow ends a queue, and drops what still waits.
func stopNow(t *testing.T, q *queue.Queue[string, string]) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.Stop(ctx)
}

// count counts those that begin so.
func count(got map[string]time.Duration, prefix string) (n int) {
	for item := range got {
		if strings.HasPrefix(item, prefix) {
			n++
		}
	}
	return n
}

// A limit of the queue is one over all lanes and both classes, which keep their turns; it can
// change and end at any time.
func TestTotalLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.SetTotalLimit(ratelimit.Limit{QPS: 2, Burst: 2})
		for i := range 10 {
			q.Add(fmt.Sprint("a/pods/", i))
			q.AddWithOpts(opts{Priority: new(low)}, fmt.Sprint("b/pods/", i))
		}
		got := worker(q)
		time.Sleep(2*time.Second + time.Millisecond)
		if a, b := count(got(), "a/"), count(got(), "b/"); a+b != 6 || a < 2 || b < 2 {
			t.Errorf("after 2 s at 2 per second: %d and %d", a, b)
		}
		if p, _ := q.Find("a/pods/9"); p.Token != 0 {
			t.Errorf("it stands at %+v", p)
		}
		if wait := q.TotalWait(); wait <= 0 || wait > 500*time.Millisecond {
			t.Errorf("the queue waits for %v", wait)
		}
		if all := q.TotalThrottled().Round(10 * time.Millisecond); all != 2*time.Second {
			t.Errorf("the queue has waited for %v in all", all)
		}
		if l := lane(q, "a"); l.Throttles != 0 || l.Throttled != 0 {
			t.Errorf("the lane counts the limit of the queue as its own: %+v", l)
		}
		q.SetTotalLimit(perSecond(0.001)) // the next one in a thousand seconds
		time.Sleep(time.Second)
		before := len(got())
		q.SetTotalLimit(ratelimit.Limit{})
		if n := len(got()); before > 7 || n != 20 || q.TotalWait() != 0 || q.TotalThrottled().Round(10*time.Millisecond) != 3*time.Second {
			t.Errorf("%d with nearly nothing allowed, %d without a limit", before, n)
		}
		stopNow(t, q)
	})
}

// A limit of the queue holds nothing up while nothing waits: what has waited is held, or its cluster
// is removed, and something comes while there is still no token.
func TestTotalLimitWhileNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.SetTotalLimit(perSecond(0.01))
		q.Add("a/pods/0")
		q.Add("a/pods/1")
		worker(q)()
		waited := func(what string, want time.Duration) {
			t.Helper()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := q.TotalThrottled().Round(time.Millisecond); got != want {
				t.Errorf("%s: the queue has waited for %v, want %v", what, got, want)
			}
		}
		waited("an item waits", 10*time.Second)
		q.Hold(queue.Hold[string]{Clusters: map[string]bool{"a": true}})
		waited("its cluster is held", 10*time.Second)
		q.Hold(queue.Hold[string]{Items: func(string) bool { return true }})
		waited("it is held by itself", 10*time.Second)
		q.Hold(queue.Hold[string]{})
		waited("it waits again", 20*time.Second)
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		waited("it is gone", 20*time.Second)
		q.Add("b/pods/0")
		waited("another one has come", 30*time.Second)
		time.Sleep(time.Minute) // it is handed out at 100 s
		waited("nothing waits", 70*time.Second)
		stopNow(t, q)
	})
}

// A token of one limit is not spent where the other one is missing.
func TestTotalLimitSpendsNoTokensInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.SetTotalLimit(perSecond(1))
		q.SetLimit("a", perSecond(0.1))
		for i := range 40 {
			q.Add(fmt.Sprint("a/pods/", i))
			q.Add(fmt.Sprint("b/pods/", i))
		}
		got := worker(q)
		time.Sleep(25*time.Second + time.Millisecond)
		if a, b := count(got(), "a/"), count(got(), "b/"); a != 3 || a+b != 26 {
			t.Errorf("%d and %d in 25 s at 1 per second, of which a may have 0.1", a, b)
		}
		stopNow(t, q)
	})
}

// What a limit of the queue holds up is handed out while the queue drains, at that limit; or
// dropped when the drain is cut short. Nobody is left waiting for a token.
func TestTotalLimitAndShutDown(t *testing.T) {
	for _, drain := range []time.Duration{time.Hour, 2500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			q := newNameQueue(queue.Options[string, string]{})
			q.SetTotalLimit(perSecond(1))
			for i := range 5 {
				q.Add(fmt.Sprint("a/pods/", i))
			}
			got := worker(q)
			if n := len(got()); n != 1 {
				t.Errorf("%d came at once", n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), drain)
			defer cancel()
			began := time.Now()
			left := q.Stop(ctx)
			want, took := 0, 4*time.Second
			if drain < time.Hour {
				want, took = 2, drain
			}
			if past := time.Since(began).Truncate(time.Millisecond); left != want || len(got()) != 5-want || past != took {
				t.Errorf("%d left, %d handed out after %v", left, len(got()), past)
			}
			if wait := q.TotalWait(); wait != 0 {
				t.Errorf("the queue waits for %v", wait)
			}
			if _, shutdown := q.Get(); !shutdown {
				t.Error("there is something left")
			}
		})
	}
}

// Whatever is limited, changed, held, removed, blocked and delayed at whichever times, the limit
// is never gone beyond, and in the end everything is handed out.
func TestTotalLimitInAnyOrder(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			q := newNameQueue(queue.Options[string, string]{Buckets: ratelimit.New(perSecond(50)), LaneCapacity: 20})
			const total = 20
			q.SetTotalLimit(perSecond(total))
			got := worker(q)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var offers sync.WaitGroup
			start, added := time.Now(), 0
			want := map[string][]string{} // by cluster, since that was last removed
			for range 300 {
				cluster := []string{"a", "b", "c"}[r.IntN(3)]
				item := fmt.Sprintf("%s/%s/%d", cluster, []string{"events", "pods"}[r.IntN(2)], added)
				switch r.IntN(14) {
				case 0:
					q.SetTotalLimit(perSecond(1 + float64(r.IntN(total)))) // no more than before
				case 1:
					q.SetLimit(cluster, perSecond(1+float64(r.IntN(50))))
				case 2:
					q.Hold(queue.Hold[string]{Clusters: map[string]bool{cluster: r.IntN(2) == 0}})
				case 3:
					q.Hold(queue.Hold[string]{Items: func(s string) bool { return strings.Contains(s, "/pods/") }})
				case 4:
					time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
				case 5:
					if err := q.RemoveCluster(ctx, cluster); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					want[cluster] = nil
				case 6, 7, 8:
					added++
					priority := -r.IntN(2)
					offers.Go(func() { _ = q.Offer(ctx, item, priority) }) // it fails if its cluster is removed
					want[cluster] = append(want[cluster], item)
					synctest.Wait()
				default:
					added++
					want[cluster] = append(want[cluster], item)
					q.AddWithOpts(opts{Priority: new(-r.IntN(2)), After: time.Duration(r.IntN(3)) * 100 * time.Millisecond}, item)
					if r.IntN(4) == 0 {
						q.AddWithOpts(opts{Priority: new(0)}, item) // which may move to the live class
					}
				}
				if n, most := len(got()), 1+total*time.Since(start).Seconds()+1e-6; float64(n) > most {
					t.Fatalf("seed %d: %d in %v", seed, n, time.Since(start))
				}
			}
			q.Hold(queue.Hold[string]{})
			time.Sleep(10 * time.Minute)
			offers.Wait()
			handed := got()
			for _, item := range slices.Concat(want["a"], want["b"], want["c"]) {
				if _, is := handed[item]; !is {
					t.Errorf("seed %d: %s was not handed out", seed, item)
				}
			}
			if q.Len() != 0 {
				t.Errorf("seed %d: %d wait", seed, q.Len())
			}
			stopNow(t, q)
		})
	}
}
