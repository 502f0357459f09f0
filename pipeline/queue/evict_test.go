package queue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// newEvictingQueue returns a queue of items that can be reduced to a size of one, and how
// often that was done.
func newEvictingQueue(o queue.Options[*state, string]) (q *queue.Queue[*state, string], evicted map[string]int) {
	evicted = map[string]int{}
	o.Cluster = func(s *state) string { return s.cluster }
	o.Identity = func(s *state) string { return s.id() }
	o.Size = func(s *state) int { return s.size }
	o.Newer = func(a, b *state) bool { return a.version > b.version }
	o.Evict = func(s *state) int {
		evicted[s.name]++
		s.size = min(s.size, 1)
		return s.size
	}
	return queue.New(o), evicted
}

// What is delayed for long gives up its bytes when somebody wants them, and once; what
// waits, is in work, or is due soon keeps them.
func TestEvict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, evicted := newEvictingQueue(queue.Options[*state, string]{})
		for _, name := range []string{"work", "soon", "late", "later"} {
			q.Add(&state{cluster: "a", name: name, size: 10})
		}
		for range 4 {
			s, _ := q.Get()
			switch s.name {
			case "work":
				continue
			case "soon":
				q.AddAfter(s, time.Second)
			default:
				q.AddAfter(s, time.Hour)
			}
			q.Done(s)
		}
		q.Add(&state{cluster: "a", name: "waits", size: 10})
		equal(t, "before", lane(q, "a").Bytes, int64(50))
		equal(t, "in work", lane(q, "a").InFlightBytes, int64(10))
		for range 2 {
			q.Evict()
			equal(t, "evicted", evicted, map[string]int{"late": 1, "later": 1})
			equal(t, "bytes", lane(q, "a").Bytes, int64(32))
		}
		q.Add(&state{cluster: "a", name: "late", version: 1, size: 10}) // takes its place
		equal(t, "with a newer one", lane(q, "a").Bytes, int64(41))
		time.Sleep(2 * time.Hour)
		equal(t, "left", len(takeAll(t, q)), 4)
		q.Done(&state{cluster: "a", name: "work"})
		equal(t, "at the end", lane(q, "a").Bytes, int64(0))
		q.Evict()
		equal(t, "evicted", evicted, map[string]int{"late": 1, "later": 1})
	})
}

// An item has room in the bytes of a lane that are held by what is delayed for long,
// whichever of the two comes first.
func TestOfferEvictsWhatIsDelayed(t *testing.T) {
	for name, waits := range map[string]func(t *testing.T, q *queue.Queue[*state, string]) (result chan error){
		"Offer": func(t *testing.T, q *queue.Queue[*state, string]) chan error {
			return offered(t, func() error { return q.Offer(t.Context(), &state{cluster: "a", name: "b", size: 10}, 0) })
		},
		"Offer of a list": func(t *testing.T, q *queue.Queue[*state, string]) chan error {
			return offered(t, func() error { return q.Offer(t.Context(), &state{cluster: "a", name: "b", size: 10}, low) })
		},
		"WaitRoom": func(t *testing.T, q *queue.Queue[*state, string]) chan error {
			return offered(t, func() error { return q.WaitRoom(t.Context(), "a") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					q, _ := newEvictingQueue(queue.Options[*state, string]{LaneBytes: 20})
					q.Add(&state{cluster: "a", name: "refused", size: 20})
					s, _ := q.Get()
					var result chan error
					if !first {
						result = waits(t, q)
						equal(t, "has room beside what is in work", len(result), 0)
					}
					q.AddAfter(s, time.Hour)
					q.Done(s)
					if first {
						result = waits(t, q)
					}
					synctest.Wait()
					if len(result) != 1 {
						t.Fatalf("it waits for what is delayed (that came first: %v): %+v", first, lane(q, "a"))
					}
					if err := <-result; err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		q, evicted := newEvictingQueue(queue.Options[*state, string]{LaneBytes: 20, LaneCapacity: 1})
		q.AddAfter(&state{cluster: "a", name: "refused", size: 5}, time.Hour)
		if err := q.TryOffer(&state{cluster: "a", name: "b", size: 5}, 0); !errors.Is(err, queue.ErrFull) {
			t.Errorf("full by number, and got %v", err)
		}
		equal(t, "evicted in vain", evicted, map[string]int{})
	})
	// Unless an item comes in the place of another one, which needs bytes only.
	synctest.Test(t, func(t *testing.T) {
		q, evicted := newEvictingQueue(queue.Options[*state, string]{LaneBytes: 20, LaneCapacity: 2})
		q.AddAfter(&state{cluster: "a", name: "refused", size: 18}, time.Hour)
		q.AddAfter(&state{cluster: "a", name: "again", size: 2}, time.Hour)
		if err := q.TryOffer(&state{cluster: "a", name: "again", size: 10}, 0); err != nil {
			t.Error(err)
		}
		equal(t, "evicted", evicted["refused"], 1)
	})
}

func offered(t *testing.T, call func() error) chan error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- call() }()
	synctest.Wait()
	return result
}
