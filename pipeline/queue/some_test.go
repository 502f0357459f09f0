package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// Several items at once are those that one Get after the other returns: turns,
// tokens, classes and what is in work are the same.
func TestSomeAreAsOneByOne(t *testing.T) {
	type item struct{ cluster, id, size int }
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 8))
		made := func() *Queue[item, item] {
			q := New(Options[item, item]{
				Cluster:     func(i item) string { return string(rune('a' + i.cluster)) },
				Size:        func(i item) int { return i.size },
				Buckets:     ratelimit.New(ratelimit.Limit{}),
				MaxInFlight: 5,
			})
			q.SetLimit("b", ratelimit.Limit{QPS: 20, Burst: 3})
			q.SetWeight("c", 3)
			return q
		}
		some, single := made(), made()
		var working []item
		short, full := 0, 0
		for round := range 3000 {
			for range random.IntN(8) {
				i := item{random.IntN(4), random.IntN(50), random.IntN(100)}
				o := priorityqueue.AddOpts{Priority: new(random.IntN(2) - 1)}
				some.AddWithOpts(o, i)
				single.AddWithOpts(o, i)
			}
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
			synctest.Wait() // for timers of the same instant
			free := false   // or it would wait, for a token or for ever
			for _, l := range some.lanes {
				free = free || l.name != "b" && (l.isOpen(live) || l.isOpen(snapshot)) && !some.isBusyLocked(l)
			}
			if free {
				most, bytes := random.IntN(6)+1, random.IntN(300)+1
				if round%3 == 0 {
					most, bytes = 100, 10_000
				}
				type handed struct {
					item
					priority int
				}
				var got []handed
				sizes := 0
				inWork, _ := some.GetBatch(func(int) int { return most }, bytes, func(i item, priority int) {
					got = append(got, handed{i, priority})
				})
				for n, g := range got {
					if n == most || n > 0 && sizes >= bytes {
						t.Fatalf("round %d: %d items of %d bytes before the last, want at most %d, of %d", round, len(got), sizes, most, bytes)
					}
					sizes += g.size
					want, priority, _ := single.GetWithPriority()
					if g != (handed{want, priority}) {
						t.Fatalf("round %d: %+v is number %d, want %+v with %d", round, g, n, want, priority)
					}
					working = append(working, g.item)
				}
				if inWork != len(working) {
					t.Fatalf("round %d: %d items in work, want %d", round, inWork, len(working))
				}
				if full++; len(got) < most && sizes < bytes {
					full--
					short++
					single.mu.Lock()
					e := single.pickLocked()
					single.mu.Unlock()
					if e != nil {
						t.Fatalf("round %d: %v was left", round, e.key)
					}
				}
			}
			for len(working) > round%12 {
				n := random.IntN(len(working))
				some.Done(working[n])
				single.Done(working[n])
				working = slices.Delete(working, n, n+1)
			}
		}
		if short < 100 || full < 100 {
			t.Errorf("%d were all there were, %d were all that were wanted", short, full)
		}
	})
}

// One worker that wakes up wakes the next while there is something to do.
func TestABurstIsSharedAmongWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Options[int, int]{Cluster: func(int) string { return "a" }})
		got := make(chan int, 8)
		for range 8 {
			go func() {
				if i, shutdown := q.Get(); !shutdown {
					got <- i
				}
			}()
		}
		stands := func(when string, taken, woken, asleep int) {
			t.Helper()
			q.mu.Lock()
			defer q.mu.Unlock()
			if len(got) != taken || q.woken != woken || q.asleep != asleep {
				t.Errorf("%s: %d items taken, %d workers woken, %d asleep; want %d, %d and %d", when, len(got), q.woken, q.asleep, taken, woken, asleep)
			}
		}
		synctest.Wait()
		q.mu.Lock() // so that nobody is awake yet
		for i := range 3 {
			e, err := q.arriveLocked(&i, q.entries.hash(i), "a")
			if err != nil {
				t.Fatal(err)
			}
			q.putLocked(e, &i, 0, 0)
		}
		if q.woken != 1 {
			t.Errorf("a burst of 3 items has woken %d workers, want 1", q.woken)
		}
		q.mu.Unlock()
		synctest.Wait()
		stands("a while later", 3, 0, 5)
		q.ShutDown()
		synctest.Wait()
		stands("in the end", 3, 0, 0)
	})
}
