package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// newVersionQueue returns a queue that knows the newer of two versions, and
// notes what it discards.
func newVersionQueue(o queue.Options[state, string]) (q *stateQueue, discarded *[]state) {
	discarded = new([]state)
	o.Newer = func(a, b state) bool { return a.version > b.version }
	o.Discard = func(s state) { *discarded = append(*discarded, s) }
	return newStateQueue(o), discarded
}

// However an older item comes while a newer one is there, and wherever that is,
// the newer one is handed out last.
func TestOlderItemNeverOutlivesANewerOne(t *testing.T) {
	there := map[string]func(q *stateQueue){
		"waits":      func(q *stateQueue) { q.Add(v("x", 7)) },
		"is delayed": func(q *stateQueue) { q.AddAfter(v("x", 7), time.Second) },
		"is in work": func(q *stateQueue) { q.Add(v("x", 7)); q.Get() },
		"waits for Done": func(q *stateQueue) {
			q.Add(v("x", 3))
			q.Get()
			q.Add(v("x", 7))
		},
	}
	comes := map[string]func(t *testing.T, q *stateQueue){
		"Add":            func(_ *testing.T, q *stateQueue) { q.Add(v("x", 5)) },
		"AddWithOpts":    func(_ *testing.T, q *stateQueue) { q.AddWithOpts(opts{Priority: new(low)}, v("x", 5)) },
		"AddAfter":       func(_ *testing.T, q *stateQueue) { q.AddAfter(v("x", 5), time.Minute) },
		"AddAfter 0":     func(_ *testing.T, q *stateQueue) { q.AddAfter(v("x", 5), 0) },
		"AddRateLimited": func(_ *testing.T, q *stateQueue) { q.AddRateLimited(v("x", 5)) },
		"Offer": func(t *testing.T, q *stateQueue) {
			wantBlocked(t, "a newer one is there", false, offer(t, q, v("x", 5), 0))
		},
		"TryOffer": func(t *testing.T, q *stateQueue) {
			if err := q.TryOffer(v("x", 5), 0); err != nil {
				t.Error(err)
			}
		},
	}
	for where, isThere := range there {
		for how, older := range comes {
			t.Run(where+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q, discarded := newVersionQueue(queue.Options[state, string]{})
					isThere(q)
					before := lane(q, "a")
					older(t, q)
					equal(t, "discarded", *discarded, []state{v("x", 5)})
					if s := lane(q, "a"); s.Coalesced != before.Coalesced+1 || s.Added != before.Added+1 || s.Bytes != before.Bytes {
						t.Errorf("stats %+v, before %+v", s, before)
					}
					if s := lane(q, "a"); s.InFlight > 0 {
						q.Done(v("x", 0))
					}
					time.Sleep(forever)
					want := []state{v("x", 7)}
					if where == "is in work" {
						want = nil
					}
					equal(t, "handed out", takeAll(t, q), want)
				})
			})
		}
	}
}

// Nor does what comes back, if that is the newest there is.
func TestNewestComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, discarded := newVersionQueue(queue.Options[state, string]{})
		q.Add(v("x", 3))
		q.AddAfter(v("x", 7), time.Minute)
		equal(t, "in the place of the one that waited", takeAll(t, q), []state{v("x", 7)})
		q.AddAfter(v("x", 3), time.Second)
		q.AddAfter(v("x", 7), time.Minute)
		time.Sleep(2 * time.Second)
		equal(t, "at the earlier of both times", takeAll(t, q), []state{v("x", 7)})
		equal(t, "discarded", *discarded, []state{v("x", 3), v("x", 3)})
	})
}

// Of Offers of one identity that stand blocked, the newest is admitted, in
// whatever order they came.
func TestNewestOfBlockedOffersIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, discarded := newVersionQueue(queue.Options[state, string]{LaneCapacity: 1})
		q.Add(v("full", 1))
		offers := []*offering{offer(t, q, v("x", 4), 0), offer(t, q, v("x", 9), 0), offer(t, q, v("x", 6), 0)}
		wantBlocked(t, "full", true, offers...)
		equal(t, "items", take(t, q, 2), []state{v("full", 1), v("x", 9)})
		wantBlocked(t, "admitted", false, offers...)
		equal(t, "discarded", *discarded, []state{v("x", 4), v("x", 6)})
	})
}

// What is added past blocked Offers ends those that are older, and takes those
// along that are newer.
func TestAddedPastBlockedOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, discarded := newVersionQueue(queue.Options[state, string]{LaneCapacity: 1})
		q.Add(v("full", 1))
		older, newer := offer(t, q, v("x", 4), 0), offer(t, q, v("x", 9), 0)
		q.Add(v("x", 6))
		wantBlocked(t, "the identity is in the lane", false, older, newer)
		equal(t, "items", takeAll(t, q), []state{v("full", 1), v("x", 9)})
		equal(t, "discarded", *discarded, []state{v("x", 4), v("x", 6)})
	})
}

func TestDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []state
		var q *stateQueue
		q = newStateQueue(queue.Options[state, string]{Discard: func(s state) {
			discarded = append(discarded, s)
			q.Len() // the lock is free
		}})
		told := func(when string, want ...state) {
			t.Helper()
			equal(t, when, discarded, want)
			discarded = nil
		}
		q.Add(v("x", 1))
		q.Add(v("x", 1))
		told("an equal one replaces it")
		q.Add(v("x", 2))
		told("replaced", v("x", 1))
		item, _ := q.Get()
		q.Add(v("x", 3))
		q.AddRateLimited(item)
		told("back in vain", v("x", 2))
		q.Done(item)
		item, _ = q.Get()
		q.AddAfter(v("y", 1), time.Hour)
		q.AddAfter(v("y", 2), time.Hour)
		told("one is delayed already", v("y", 2))
		q.Add(state{cluster: "b", name: "z"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := q.RemoveCluster(ctx, "a"); err == nil {
			t.Error("removed with an item in work")
		}
		told("removed", v("y", 1))
		q.AddAfter(item, 0)
		told("back when its cluster has gone", v("x", 3))
		q.AddAfter(state{cluster: "b", name: "later"}, time.Hour)
		q.ShutDown()
		told("shut down", state{cluster: "b", name: "later"})
		q.Add(v("late", 1))
		told("too late", v("late", 1))
		if err := q.Offer(t.Context(), v("late", 2), 0); err == nil {
			t.Error("taken after the shutdown")
		}
		told("offered too late")
		if left := q.Stop(ctx); left != 3 {
			t.Errorf("%d left", left)
		}
		told("stopped", state{cluster: "b", name: "z"})
	})
}
