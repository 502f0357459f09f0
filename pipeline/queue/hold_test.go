package queue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// heldX reports whether an item is one that tests hold: those of cluster a whose names begin with x.
func heldX(s state) bool { return s.cluster == "a" && strings.HasPrefix(s.name, "x") }

func holdCluster(name string) queue.Hold[state] {
	return queue.Hold[state]{Clusters: map[string]bool{name: true}}
}

// A lane that is held hands out nothing, fills up, and has its order when it is let go.
// The other lanes have their turns all the while.
func TestHoldLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 2})
		q.Hold(holdCluster("a"))
		a1, a2, a3 := state{"a", "1", 1, 1}, state{"a", "2", 1, 1}, state{"a", "3", 1, 1}
		q.Add(a1)
		q.Add(a2)
		blocked := offered(t, func() error { return q.Offer(t.Context(), a3, 0) })
		for i := range 5 {
			b := state{"b", "1", i, 1}
			q.Add(b)
			equal(t, "of the other lane", takeAll(t, q), []state{b})
		}
		equal(t, "held", lane(q, "a").Held, true)
		synctest.Wait()
		equal(t, "blocked", lane(q, "a").BlockedOffers, 1)
		q.Hold(queue.Hold[state]{})
		equal(t, "let go", append(take(t, q, 2), take(t, q, 1)...), []state{a1, a2, a3})
		if err := <-blocked; err != nil {
			t.Error(err)
		}
		equal(t, "held", lane(q, "a").Held, false)
	})
}

// A lane that is made while all is held is held too.
func TestHoldAll(t *testing.T) {
	q := newStateQueue(queue.Options[state, string]{})
	q.Hold(queue.Hold[state]{All: true})
	q.Add(state{"new", "1", 1, 1})
	equal(t, "ready", q.Len(), 0)
	q.Hold(queue.Hold[state]{})
	equal(t, "let go", len(takeAll(t, q)), 1)
}

// Items that are held one by one leave their room to the others of the lane, and an Offer
// of one more of them blocks.
func TestHoldItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 2})
		x1, x2, y := state{"a", "x1", 1, 1}, state{"a", "x2", 1, 1}, state{"a", "y", 1, 1}
		q.Add(x1)
		q.Add(x2)
		other := offered(t, func() error { return q.Offer(t.Context(), y, 0) })
		synctest.Wait()
		q.Hold(queue.Hold[state]{Items: heldX})
		if err := <-other; err != nil {
			t.Fatal(err)
		}
		equal(t, "not held", takeAll(t, q), []state{y})
		equal(t, "aside", lane(q, "a").Aside, 2)
		if err := q.TryOffer(state{"a", "x3", 1, 1}, 0); !errors.Is(err, queue.ErrFull) {
			t.Errorf("one more: %v", err)
		}
		more := offered(t, func() error { return q.Offer(t.Context(), state{"a", "x1", 2, 1}, 0) })
		ctx, cancel := context.WithCancel(t.Context())
		given := offered(t, func() error { return q.Offer(ctx, state{"a", "x4", 1, 1}, 0) })
		synctest.Wait()
		cancel()
		if err := <-given; !errors.Is(err, context.Canceled) {
			t.Errorf("with a ctx that ends: %v", err)
		}
		q.Hold(queue.Hold[state]{})
		if err := <-more; err != nil {
			t.Fatal(err)
		}
		got := takeAll(t, q)
		slices.SortFunc(got, func(a, b state) int { return strings.Compare(a.name, b.name) })
		equal(t, "let go", got, []state{{"a", "x1", 2, 1}, x2})
		equal(t, "at the end", lane(q, "a").Bytes, int64(0))
	})
}

// What becomes ready while it is held stands aside then: after Done of an older one, and
// after a delay.
func TestHoldWhatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{})
		q.Add(state{"a", "x", 1, 1})
		old, _ := q.Get()
		q.Add(state{"a", "x", 2, 1})
		q.AddAfter(state{"a", "xlate", 1, 1}, time.Minute)
		q.Hold(queue.Hold[state]{Items: heldX})
		q.Done(old)
		time.Sleep(time.Hour)
		equal(t, "ready", q.Len(), 0)
		equal(t, "aside", lane(q, "a").Aside, 2)
		q.Hold(queue.Hold[state]{})
		equal(t, "let go", len(takeAll(t, q)), 2)
	})
}

// What is held gives up what it can when somebody wants it, and once.
func TestHoldEvicts(t *testing.T) {
	for name, h := range map[string]queue.Hold[*state]{
		"lane": {Clusters: map[string]bool{"a": true}}, "items": {Items: func(*state) bool { return true }},
	} {
		q, evicted := newEvictingQueue(queue.Options[*state, string]{})
		q.Add(&state{cluster: "a", name: "before", size: 10})
		q.Hold(h)
		q.Add(&state{cluster: "a", name: "after", size: 10})
		equal(t, name, lane(q, "a").Bytes, int64(20))
		for range 2 {
			q.Evict()
			equal(t, name, lane(q, "a").Bytes, int64(2))
			equal(t, name, evicted, map[string]int{"before": 1, "after": 1})
		}
		q.Add(&state{cluster: "a", name: "after", version: 1, size: 10})
		q.Evict()
		equal(t, name, evicted, map[string]int{"before": 1, "after": 2})
		q.Hold(queue.Hold[*state]{})
		q.Add(&state{cluster: "a", name: "free", size: 10})
		q.Evict()
		equal(t, name+": let go", evicted, map[string]int{"before": 1, "after": 2})
		equal(t, name, len(takeAll(t, q)), 3)
		equal(t, name, lane(q, "a").Bytes, int64(0))
	}
}

// A queue that stops does not wait for what is held, and counts it as left.
func TestStopDropsWhatIsHeld(t *testing.T) {
	for name, h := range map[string]queue.Hold[state]{"lane": holdCluster("a"), "items": {Items: heldX}} {
		synctest.Test(t, func(t *testing.T) {
			q := newStateQueue(queue.Options[state, string]{LaneCapacity: 2})
			q.Add(state{"a", "x1", 1, 1})
			q.Hold(h)
			q.Add(state{"a", "x2", 1, 1})
			blocked := offered(t, func() error { return q.Offer(t.Context(), state{"a", "x3", 2, 1}, 0) })
			left := q.Stop(t.Context())
			if err := <-blocked; !errors.Is(err, queue.ErrShuttingDown) {
				t.Errorf("%s: an Offer returns %v", name, err)
			}
			equal(t, name+": left", left, 2)
			if _, shutdown := q.Get(); !shutdown {
				t.Errorf("%s: handed out after the stop", name)
			}
		})
	}
}

// Removing a cluster drops what is held of it, and lets its Offers return.
func TestRemoveWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{})
		q.Hold(queue.Hold[state]{Items: heldX})
		q.Add(state{"a", "x1", 1, 1})
		blocked := offered(t, func() error { return q.Offer(t.Context(), state{"a", "x2", 1, 1}, 0) })
		q.Add(state{"a", "busy", 1, 1})
		busy, _ := q.Get()
		removed := offered(t, func() error { return q.RemoveCluster(t.Context(), "a") })
		if err := <-blocked; !errors.Is(err, queue.ErrClusterRemoved) {
			t.Errorf("Offer returns %v", err)
		}
		q.Done(busy)
		if err := <-removed; err != nil {
			t.Error(err)
		}
		equal(t, "lanes", q.Lanes(), []queue.LaneStats{})
	})
}

// Streams and workers go on while lanes and items are held and let go at random: the last
// version of every object arrives, versions never go backwards, and nothing that is held
// is handed out.
func TestHoldUnderLoad(t *testing.T) { synctest.Test(t, testHoldUnderLoad) }

func testHoldUnderLoad(t *testing.T) {
	const streams, objects, versions, workers = 9, 10, 60, 4
	q := newStateQueue(queue.Options[state, string]{LaneCapacity: 8, LaneBytes: 200})
	var mu sync.Mutex // of what follows
	seen := map[string]int{}
	taken := map[state]int{} // by what an item is but for its version and size
	of := func(s state) state { return state{cluster: s.cluster, name: s.name} }
	var work, feed sync.WaitGroup
	for range workers {
		work.Go(func() {
			r := rand.New(rand.NewPCG(1, 2))
			for more := true; more; {
				var got []state
				_, shutdown := q.GetBatch(func(int) int { return 3 }, 1000, func(s state, _ int) { got = append(got, s) })
				more = !shutdown
				for _, s := range got {
					mu.Lock()
					if s.version < seen[s.id()] {
						t.Errorf("%s: version %d after %d", s.id(), s.version, seen[s.id()])
					}
					seen[s.id()] = s.version
					taken[of(s)]++
					mu.Unlock()
					if r.IntN(20) == 0 {
						q.AddRateLimited(s)
					}
					q.Done(s)
				}
			}
		})
	}
	for stream := range streams {
		feed.Go(func() {
			r := rand.New(rand.NewPCG(uint64(stream), 3))
			for version := 1; version <= versions; version++ {
				for _, object := range r.Perm(objects) {
					s := state{fmt.Sprint("c", stream%3), fmt.Sprintf("%d-%d", stream/3, object), version, r.IntN(50)}
					if err := q.Offer(t.Context(), s, r.IntN(3)-1); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	var fed atomic.Bool
	var operator sync.WaitGroup
	operator.Go(func() {
		r := rand.New(rand.NewPCG(5, 6))
		for !fed.Load() {
			var h queue.Hold[state]
			begins := fmt.Sprint(r.IntN(3), "-")
			switch r.IntN(5) {
			case 0:
				h.All = true
			case 1:
				h.Clusters = map[string]bool{fmt.Sprint("c", r.IntN(3)): true}
			case 2, 3:
				h.Items = func(s state) bool { return strings.HasPrefix(s.name, begins) }
			}
			q.Hold(h)
			synctest.Wait() // what is in work is done
			mu.Lock()
			before := maps.Clone(taken)
			mu.Unlock()
			time.Sleep(time.Second) // what is delayed becomes due
			synctest.Wait()
			mu.Lock()
			for s, n := range taken {
				if n != before[s] && (h.All || h.Clusters[s.cluster] || h.Items != nil && h.Items(s)) {
					t.Errorf("%s was handed out while it was held", s.id())
				}
			}
			mu.Unlock()
		}
	})
	feed.Wait()
	fed.Store(true)
	operator.Wait()
	q.Hold(queue.Hold[state]{})
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
	for _, s := range q.Lanes() {
		if s.Added != s.Coalesced+s.HandedOut || s.Aside != 0 || s.Bytes != 0 {
			t.Errorf("not all is accounted for: %+v", s)
		}
	}
}

// Who stands blocked because of what is held gives up what can be had again: before a lane
// that is full, and for an item that is held by itself. What is let in keeps it.
func TestHoldEvictsWhatStandsBlocked(t *testing.T) {
	lanes := queue.Hold[*state]{Clusters: map[string]bool{"a": true}}
	items := queue.Hold[*state]{Items: func(s *state) bool { return s.name == "blocked" }}
	for name, test := range map[string]struct {
		hold   queue.Hold[*state]
		before bool // it is held
	}{"lane": {lanes, true}, "lane later": {lanes, false}, "item": {items, true}} {
		synctest.Test(t, func(t *testing.T) {
			q, evicted := newEvictingQueue(queue.Options[*state, string]{LaneCapacity: 1})
			if test.before {
				q.Hold(test.hold)
			}
			q.Add(&state{cluster: "a", name: "first", size: 10})
			blocked := offered(t, func() error { return q.Offer(t.Context(), &state{cluster: "a", name: "blocked", size: 10}, 0) })
			synctest.Wait()
			q.Hold(test.hold)
			synctest.Wait()
			equal(t, name, slices.Sorted(maps.Keys(evicted)), []string{"blocked"})
			q.Hold(queue.Hold[*state]{})
			n := len(takeAll(t, q))
			if err := <-blocked; err != nil {
				t.Fatal(err)
			}
			equal(t, name, n+len(takeAll(t, q)), 2)
			equal(t, name, lane(q, "a").Bytes, int64(0))
		})
	}
}

// A lane that is held and full by bytes blocks, and keeps what it has as long as nobody
// wants that. When it is let go, what is delayed makes room again.
func TestHeldLaneFillsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, evicted := newEvictingQueue(queue.Options[*state, string]{LaneBytes: 100})
		q.Add(&state{cluster: "a", name: "late", size: 40})
		late, _ := q.Get()
		q.AddAfter(late, time.Hour)
		q.Done(late)
		q.Hold(queue.Hold[*state]{Clusters: map[string]bool{"a": true}})
		n := 0
		for q.TryOffer(&state{cluster: "a", name: fmt.Sprint(n), size: 10}, 0) == nil {
			n++
		}
		equal(t, "let in", n, 6)
		equal(t, "evicted", evicted, map[string]int{})
		blocked := offered(t, func() error { return q.Offer(t.Context(), &state{cluster: "a", name: "more", size: 10}, 0) })
		synctest.Wait()
		q.Hold(queue.Hold[*state]{})
		if err := <-blocked; err != nil {
			t.Fatal(err)
		}
		equal(t, "evicted", evicted, map[string]int{"more": 1, "late": 1})
	})
}

// What has waited for Done of an older one, and is held then, is dropped if the queue shuts
// down, and told of.
func TestShutDownDropsWhatIsHeldAfterDone(t *testing.T) {
	var discarded []state
	q := newStateQueue(queue.Options[state, string]{Discard: func(s state) { discarded = append(discarded, s) }})
	old, newer := state{"a", "x", 1, 1}, state{"a", "x", 2, 1}
	q.Add(old)
	q.Get()
	q.Add(newer)
	q.Hold(queue.Hold[state]{Items: heldX})
	done := make(chan struct{})
	go func() {
		q.ShutDownWithDrain()
		close(done)
	}()
	for !q.ShuttingDown() {
		runtime.Gosched()
	}
	q.Done(old)
	<-done
	equal(t, "discarded", discarded, []state{newer})
	equal(t, "aside", lane(q, "a").Aside, 0)
	equal(t, "bytes", lane(q, "a").Bytes, int64(0))
}

// A drain, and a worker, do not wait for items that are held meanwhile and dropped because of it.
func TestHoldOfItemsEndsADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{Buckets: ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 1})})
		q.Add(state{"a", "y", 1, 1})
		y, _ := q.Get()
		q.Add(state{"a", "x", 1, 1})
		q.Done(y)
		drained, worker := make(chan struct{}), make(chan bool, 1)
		go func() {
			q.ShutDownWithDrain()
			close(drained)
		}()
		go func() {
			_, shut := q.Get() // it waits for a token
			worker <- shut
		}()
		synctest.Wait()
		q.Hold(queue.Hold[state]{Items: heldX})
		<-drained
		equal(t, "the worker is told", <-worker, true)
	})
}
