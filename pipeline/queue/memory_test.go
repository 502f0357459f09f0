package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

func of(cluster string, n, size int) state {
	return state{cluster: cluster, name: fmt.Sprint(n), size: size}
}

// A thousand clusters whose sink is down hold no more than they may together, and
// each of them something.
func TestMaxBytesBoundsAllLanes(t *testing.T) {
	const size, most = 16 << 10, 64 << 20
	q := newStateQueue(queue.Options[state, string]{MaxBytes: most})
	for i, taken := 0, 1; taken > 0; i++ {
		taken = 0
		for c := range 1000 {
			if q.TryOffer(of(fmt.Sprint(c), i, size), 0) == nil {
				taken++
			}
		}
	}
	total := int64(0)
	for _, s := range q.Lanes() {
		if total += s.Bytes; s.Bytes < size {
			t.Errorf("cluster %s holds %d bytes", s.Cluster, s.Bytes)
		}
	}
	if total > most || total < most*3/4 {
		t.Errorf("%d bytes are held, %d may be", total, most)
	}
}

// One cluster alone has all of it; and one that comes then has its part of what
// becomes free.
func TestMaxBytesIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{MaxBytes: 100})
		n := 0
		for q.TryOffer(of("a", n, 10), 0) == nil {
			n++
		}
		equal(t, "alone", n, 10)
		first, second := offer(t, q, of("b", 0, 10), 0), offer(t, q, of("b", 1, 10), 0)
		wantBlocked(t, "one item always fits", false, first)
		more := offer(t, q, of("a", 99, 10), 0)
		wantBlocked(t, "but no more", true, second, more)
		take(t, q, 2) // one of each
		wantBlocked(t, "the lane holds nothing again", false, second)
		wantBlocked(t, "it holds more than its part", true, more)
		if err := q.RemoveCluster(t.Context(), "b"); err != nil {
			t.Error(err)
		}
		wantBlocked(t, "room that another lane has left", false, more)
	})
}

// Lanes that wait for what they have in common take turns, as often as their
// weights say.
func TestMemoryGoesByWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{MaxBytes: 4000})
		q.SetWeight("b", 3)
		for _, c := range []string{"a", "b", "c"} {
			q.Add(of(c, 0, 1))
		}
		for n := 0; q.TryOffer(of("c", n, 10), 0) == nil; n++ {
		}
		var waits [2]int
		done := make(chan int, 4000)
		for i, c := range []string{"a", "b"} {
			for n := range 200 { // beyond its part
				go func() {
					if q.Offer(t.Context(), of(c, 1+n, 10), 0) == nil {
						done <- i
					}
				}()
			}
		}
		synctest.Wait()
		for len(done) > 0 {
			<-done // what was of their own
		}
		before := [2]int{lane(q, "a").BlockedOffers, lane(q, "b").BlockedOffers}
		for range 120 { // of c, whose turn is one of three
			s, _ := q.Get()
			if s.cluster != "c" {
				continue // and hang
			}
			q.Done(s)
		}
		synctest.Wait()
		for len(done) > 0 {
			waits[<-done]++
		}
		if a, b := waits[0], waits[1]; a == 0 || b < 2*a || b > 4*a {
			t.Errorf("of %v blocked ones, %v were admitted", before, waits)
		}
		q.ShutDown()
	})
}

// Streams, workers that fail and clusters that leave, all at once: the bound
// holds but for the items that were alone in their lanes, everything arrives, and
// nobody waits for ever.
func TestMemoryStress(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			const clusters, items, most, largest = 6, 150, 400, 60
			q := newStateQueue(queue.Options[state, string]{LaneCapacity: 8, LaneBytes: 300, MaxBytes: most})
			var work, streams sync.WaitGroup
			var delivered atomic.Int64
			for n := range 8 {
				work.Go(func() {
					random := rand.New(rand.NewPCG(seed, uint64(n)))
					for s, shutdown := q.Get(); !shutdown; s, shutdown = q.Get() {
						time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
						total := int64(0)
						for _, l := range q.Lanes() {
							total += l.Bytes
						}
						if total > most+clusters*largest {
							t.Errorf("%d bytes are held", total)
						}
						if random.IntN(4) == 0 {
							q.AddAfter(s, time.Duration(random.IntN(50))*time.Millisecond)
						} else {
							delivered.Add(1)
						}
						q.Done(s)
					}
				})
			}
			for c := range clusters {
				streams.Go(func() {
					random := rand.New(rand.NewPCG(seed, uint64(100+c)))
					for n := range items {
						ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
						if err := q.Offer(ctx, of(fmt.Sprint(c), n, random.IntN(largest)), -random.IntN(2)); err != nil {
							t.Errorf("cluster %d: %v", c, err)
						}
						cancel()
					}
				})
			}
			streams.Wait()
			for !drained(q) {
				time.Sleep(time.Second)
			}
			q.ShutDown()
			work.Wait()
			equal(t, "delivered", delivered.Load(), int64(clusters*items))
		})
	}
}
