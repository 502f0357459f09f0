package queue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// newStreamQueue returns a queue of CLUSTER/STREAM/NAME.
func newStreamQueue(o queue.Options[string, string]) *queue.Queue[string, string] {
	o.Stream = func(s string) string { return strings.Split(s, "/")[1] }
	return newNameQueue(o)
}

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
		q := newStreamQueue(queue.Options[string, string]{})
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
		if p, _ := q.Find("a/pods/9"); p.TotalToken <= 0 || p.TotalToken > 500*time.Millisecond || p.Token != 0 || p.StreamToken != 0 {
			t.Errorf("it stands at %+v", p)
		}
		if l := lane(q, "a"); l.Throttles != 0 || l.Throttled != 0 {
			t.Errorf("the lane counts the limit of the queue as its own: %+v", l)
		}
		q.SetTotalLimit(perSecond(0.001)) // the next one in a thousand seconds
		time.Sleep(time.Second)
		before := len(got())
		q.SetTotalLimit(ratelimit.Limit{})
		if n := len(got()); before > 7 || n != 20 {
			t.Errorf("%d with nearly nothing allowed, %d without a limit", before, n)
		}
		stopNow(t, q)
	})
}

// A stream that has used up its limit leaves the others of its cluster, and other clusters,
// their turns.
func TestStreamLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStreamQueue(queue.Options[string, string]{})
		add := func() {
			for i := range 10 {
				q.Add(fmt.Sprint("a/events/", i))
				q.AddWithOpts(opts{Priority: new(low)}, fmt.Sprint("a/events/listed", i))
			}
			for i := range 10 {
				q.Add(fmt.Sprint("a/pods/", i))
				q.Add(fmt.Sprint("b/events/", i))
			}
		}
		q.SetStreamLimit("a", "events", perSecond(1))
		add()
		got := worker(q)
		if a, b, events := count(got(), "a/pods"), count(got(), "b/"), count(got(), "a/events"); a != 10 || b != 10 || events != 1 {
			t.Errorf("at once: %d pods, %d of b, %d events", a, b, events)
		}
		if p, _ := q.Find("a/events/9"); p.StreamToken <= 0 || p.Token != 0 || p.TotalToken != 0 || p.Ahead != 8 || p.Line != 9 {
			t.Errorf("it stands at %+v", p)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		if n := count(got(), "a/events"); n != 6 {
			t.Errorf("%d events after 5 s", n)
		}
		if l := lane(q, "a"); l.Throttles != 0 {
			t.Errorf("the lane counts the limit of a stream as its own: %+v", l)
		}
		q.SetStreamLimit("a", "events", perSecond(2))
		time.Sleep(2*time.Second + time.Millisecond)
		if n := count(got(), "a/events"); n != 10 {
			t.Errorf("%d events after 2 s at another limit", n)
		}
		q.SetStreamLimit("a", "events", ratelimit.Limit{})
		if n := count(got(), "a/events"); n != 20 {
			t.Errorf("%d events without a limit", n)
		}
		for i := range 10 { // each in the order they came
			for _, of := range []string{"a/events/%d", "a/events/listed%d", "a/pods/%d"} {
				if now, next := fmt.Sprintf(of, i), fmt.Sprintf(of, i+1); i < 9 && got()[now] > got()[next] {
					t.Errorf("%s came after %s", now, next)
				}
			}
		}
		stopNow(t, q)
	})
}

// What waits when a limit begins is under it, and so is what comes when the cluster has left
// and come back.
func TestStreamLimitOfLanesThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStreamQueue(queue.Options[string, string]{})
		for i := range 5 {
			q.Add(fmt.Sprint("a/events/", i))
			q.Add(fmt.Sprint("a/pods/", i))
		}
		q.SetStreamLimit("a", "events", perSecond(1))
		got := worker(q)
		if n := len(got()); n != 6 {
			t.Errorf("%d at once: %v", n, got())
		}
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			q.Add(fmt.Sprint("a/events/again", i))
		}
		time.Sleep(2*time.Second + time.Millisecond)
		if n := count(got(), "a/events/again"); n != 2 {
			t.Errorf("%d since it has come back", n)
		}
		q.Hold(queue.Hold[string]{Clusters: map[string]bool{"a": true}})
		time.Sleep(10 * time.Second)
		held := count(got(), "a/events/again")
		q.Hold(queue.Hold[string]{Items: func(s string) bool { return s != "a/events/again4" }})
		if n := count(got(), "a/events/again"); held != 2 || n != 3 || got()["a/events/again4"] == 0 {
			t.Errorf("%d while it was held, %d when one was not: %v", held, n, got())
		}
		q.Hold(queue.Hold[string]{})
		time.Sleep(2*time.Second + time.Millisecond)
		if n := count(got(), "a/events/again"); n != 5 || q.Len() != 0 {
			t.Errorf("%d in the end, of which %d wait", n, q.Len())
		}
		stopNow(t, q)
	})
}

// A stream that has filled its lane before it was limited, and goes on, takes no room of the
// others; its own Offers block, until there is room, no limit any more, or no lane.
func TestStreamLimitLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStreamQueue(queue.Options[string, string]{LaneCapacity: 8})
		for i := range 8 {
			if err := q.TryOffer(fmt.Sprint("a/events/", i), 0); err != nil {
				t.Fatal(err)
			}
		}
		results := make(chan error, 9)
		offer := func(item string) { go func() { results <- q.Offer(t.Context(), item, 0) }() }
		offer("a/pods/0")
		synctest.Wait()
		q.SetStreamLimit("a", "events", perSecond(1))
		synctest.Wait()
		if len(results) != 1 {
			t.Error("who waited for room still waits, when the limited stream has left it")
		}
		for i := range 7 {
			if err := q.TryOffer(fmt.Sprint("a/pods/", 1+i), 0); err != nil {
				t.Errorf("pods %d: %v", 1+i, err)
			}
		}
		if err := q.TryOffer("a/pods/8", 0); !errors.Is(err, queue.ErrFull) {
			t.Errorf("a lane that is full took one more: %v", err)
		}
		if err := q.TryOffer("a/events/8", 0); !errors.Is(err, queue.ErrFull) {
			t.Errorf("a line that is full took one more: %v", err)
		}
		if err := q.TryOffer("a/events/7", 0); err != nil {
			t.Errorf("one that takes the place of another: %v", err)
		}
		offer("a/events/8")
		if got := take(t, q, 9); len(results) != 1 {
			t.Errorf("an Offer of a line that is more than half full did not block: after %v", got)
		}
		worker(q)
		time.Sleep(3 * time.Second) // three more are handed out: of 7, 4 are left
		synctest.Wait()
		if len(results) != 1 {
			t.Error("an Offer did not wait until the line was half empty")
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if len(results) != 2 {
			t.Error("an Offer waits, though there is room")
		}
		offer("a/events/9")
		synctest.Wait()
		q.SetStreamLimit("a", "events", ratelimit.Limit{})
		synctest.Wait()
		if len(results) != 3 {
			t.Error("an Offer waits, though there is no limit")
		}
		q.SetStreamLimit("a", "events", perSecond(0.001))
		for i := range 6 {
			offer(fmt.Sprint("a/events/again", i))
		}
		synctest.Wait()
		if n := len(results); n != 3+1+4 { // one has had the first token
			t.Errorf("%d were let in", n-3)
		}
		for range 8 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := <-results; !errors.Is(err, queue.ErrClusterRemoved) {
			t.Errorf("the Offer of a cluster that was removed: %v", err)
		}
		stopNow(t, q)
	})
}

// A token of one limit is not spent where another is missing.
func TestLimitsSpendNoTokensInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStreamQueue(queue.Options[string, string]{Buckets: ratelimit.New(perSecond(1))})
		q.SetStreamLimit("a", "events", perSecond(0.1))
		q.SetTotalLimit(perSecond(1000))
		for i := range 20 {
			q.Add(fmt.Sprint("a/events/", i))
			q.Add(fmt.Sprint("a/pods/", i))
		}
		got := worker(q)
		time.Sleep(20*time.Second + time.Millisecond)
		if events, pods := count(got(), "a/events"), count(got(), "a/pods"); events != 3 || pods != 18 {
			t.Errorf("%d events and %d pods in 20 s, want 3 and 18: the cluster has a token each second", events, pods)
		}
		stopNow(t, q)
	})
}

// Whatever is limited, changed, held, removed and delayed at whichever times, in the end
// everything is handed out, and no limit was ever gone beyond.
func TestLimitsInAnyOrder(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			q := newStreamQueue(queue.Options[string, string]{Buckets: ratelimit.New(perSecond(50))})
			const total, events = 20, 3
			q.SetTotalLimit(perSecond(total))
			q.SetStreamLimit("a", "events", perSecond(events))
			got := worker(q)
			start, added := time.Now(), 0
			for range 300 {
				stream := []string{"events", "pods"}[r.IntN(2)]
				cluster := []string{"a", "b"}[r.IntN(2)]
				switch r.IntN(12) {
				case 0:
					q.SetStreamLimit("b", stream, perSecond(float64(r.IntN(9))))
				case 1:
					q.SetLimit(cluster, perSecond(1+float64(r.IntN(50))))
				case 2:
					q.Hold(queue.Hold[string]{Clusters: map[string]bool{cluster: r.IntN(2) == 0}})
				case 3:
					held := r.IntN(2) == 0
					q.Hold(queue.Hold[string]{Items: func(s string) bool { return held && strings.Contains(s, "/"+stream+"/") }})
				case 4:
					time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
				default:
					added++
					item := fmt.Sprintf("%s/%s/%d", cluster, stream, added)
					q.AddWithOpts(opts{Priority: new(-r.IntN(2)), After: time.Duration(r.IntN(3)) * 100 * time.Millisecond}, item)
					if r.IntN(4) == 0 {
						q.AddWithOpts(opts{Priority: new(0)}, item) // which may move to the live class
					}
				}
				most := func(qps float64) float64 { return 1 + qps*time.Since(start).Seconds() + 1e-6 }
				// What is added again after it was handed out counts once here.
				if n := len(got()); float64(n) > most(total) {
					t.Fatalf("seed %d: %d in %v", seed, n, time.Since(start))
				}
				if n := count(got(), "a/events"); float64(n) > most(events) {
					t.Fatalf("seed %d: %d events of a in %v", seed, n, time.Since(start))
				}
			}
			q.Hold(queue.Hold[string]{})
			time.Sleep(10 * time.Minute)
			if n := len(got()); n != added || q.Len() != 0 {
				t.Errorf("seed %d: %d of %d were handed out, %d wait", seed, n, added, q.Len())
			}
			q.Hold(queue.Hold[string]{All: true})
			for i := range queue.DefaultLaneCapacity { // of pods, which take the room of the lane
				if err := q.TryOffer(fmt.Sprint("a/pods/more", i), 0); err != nil {
					t.Fatalf("seed %d: %d have room in an empty lane: %v", seed, i, err)
				}
			}
			if err := q.TryOffer("a/pods/last", 0); !errors.Is(err, queue.ErrFull) {
				t.Errorf("seed %d: a full lane takes one more: %v", seed, err)
			}
			stopNow(t, q)
		})
	}
}
