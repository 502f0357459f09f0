package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// What is in work counts until Done: a cluster whose items are large and whose
// workers hang holds no more than its lane may.
func TestWorkCountsInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneBytes: 100})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 64 {
			go q.Get() // and hang
		}
		n := 0
		for q.Offer(ctx, sized(fmt.Sprint(n), 30), 0) == nil {
			n++
		}
		if s := lane(q, "a"); n != 3 || s.Bytes != 90 || s.InFlight != 3 {
			t.Errorf("%d items of 30 bytes were taken: stats %+v", n, s)
		}
		blocked := offer(t, q, sized("other", 30), 0)
		wantBlocked(t, "no room", true, blocked)
		q.Done(sized("1", 0))
		wantBlocked(t, "one is done", false, blocked)
		q.ShutDown()
	})
}

// What comes back, and is delayed, counts in its lane by number and bytes: what is
// refused again and again fills that, and is handed out all the same.
func TestDelayedItemsFillTheirLane(t *testing.T) {
	for name, o := range map[string]queue.Options[state, string]{
		"by number": {LaneCapacity: 4},
		"by bytes":  {LaneBytes: 40},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newStateQueue(o)
				for i := range 4 {
					wantBlocked(t, "room", false, offer(t, q, sized(fmt.Sprint(i), 10), 0))
				}
				for range 4 {
					s, _ := q.Get()
					q.AddAfter(s, time.Minute)
					q.Done(s)
				}
				if s := lane(q, "a"); s.Delayed != 4 || s.Live != 0 || s.Bytes != 40 {
					t.Errorf("stats %+v", s)
				}
				next := offer(t, q, sized("next", 10), 0)
				wantBlocked(t, "the lane is full of what was refused", true, next)
				wantBlocked(t, "another one is not", false, offer(t, q, state{cluster: "b", name: "x", size: 10}, 0))
				equal(t, "of the other", take(t, q, 1), []state{{cluster: "b", name: "x", size: 10}})
				newer := offer(t, q, state{"a", "2", 9, 10}, 0)
				wantBlocked(t, "a newer state has the place of the refused one", false, newer)
				equal(t, "at once", takeAll(t, q), []state{{"a", "2", 9, 10}, sized("next", 10)})
				time.Sleep(time.Hour)
				equal(t, "what was refused", len(takeAll(t, q)), 3)
				if s := lane(q, "a"); s.Bytes != 0 || s.Delayed != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// A newer state that is blocked takes the place of the one that was refused, as
// soon as that comes back.
func TestBlockedStateReplacesTheRefusedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneBytes: 100})
		q.Add(state{"a", "x", 1, 100})
		refused, _ := q.Get()
		newer := offer(t, q, state{"a", "x", 2, 100}, 0)
		wantBlocked(t, "the older one fills the lane", true, newer)
		q.AddAfter(refused, time.Hour)
		wantBlocked(t, "it has come back", false, newer)
		q.Done(refused)
		equal(t, "at once", takeAll(t, q), []state{{"a", "x", 2, 100}})
	})
}

func TestTryOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 2})
		for _, name := range []string{"x", "y"} {
			if err := q.TryOffer(v(name, 1), 0); err != nil {
				t.Error(err)
			}
		}
		if err := q.TryOffer(v("z", 1), 0); !errors.Is(err, queue.ErrFull) {
			t.Errorf("TryOffer() = %v, want ErrFull", err)
		}
		equal(t, "identities", q.Known(), 2)
		if err := q.TryOffer(v("x", 2), 0); err != nil {
			t.Errorf("in the place of an older one: %v", err)
		}
		blocked := offer(t, q, v("z", 1), 0)
		wantBlocked(t, "full", true, blocked)
		take(t, q, 1)
		wantBlocked(t, "room", false, blocked)
		q.ShutDown()
		if err := q.TryOffer(v("x", 3), 0); !errors.Is(err, queue.ErrShuttingDown) {
			t.Errorf("TryOffer() = %v", err)
		}
	})
}

// waitRoom starts a WaitRoom and lets it come as far as it gets.
func waitRoom(t *testing.T, q *stateQueue, cluster string) *offering {
	ctx, cancel := context.WithCancel(t.Context())
	o := &offering{cancel: cancel, result: make(chan error, 1)}
	go func() { o.result <- q.WaitRoom(ctx, cluster) }()
	synctest.Wait()
	return o
}

func TestWaitRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 4})
		wantBlocked(t, "no lane yet", false, waitRoom(t, q, "a"))
		for i := range 3 {
			q.AddWithOpts(opts{Priority: new(low)}, v(fmt.Sprint(i), 1))
		}
		listed := offer(t, q, v("listed", 1), low)
		wantBlocked(t, "of the snapshot there are enough", true, listed)
		wantBlocked(t, "for a live one there is room", false, waitRoom(t, q, "a"))
		q.Add(v("live", 1))
		first, second, tired := offer(t, q, v("first", 1), 0), waitRoom(t, q, "a"), waitRoom(t, q, "a")
		wantBlocked(t, "full", true, first, second, tired)
		tired.cancel()
		if err := <-tired.result; !errors.Is(err, context.Canceled) {
			t.Errorf("WaitRoom() = %v", err)
		}
		take(t, q, 1)
		wantBlocked(t, "room for one", false, first)
		wantBlocked(t, "and no more", true, second)
		take(t, q, 1)
		wantBlocked(t, "room", false, second)
		equal(t, "result", <-second.result, nil)

		takeAll(t, q)
		for i := range 4 {
			q.Add(v(fmt.Sprint(i), 1))
		}
		removed := waitRoom(t, q, "a")
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := <-removed.result; !errors.Is(err, queue.ErrClusterRemoved) {
			t.Errorf("WaitRoom() = %v", err)
		}
		for i := range 4 {
			q.Add(v(fmt.Sprint(i), 1))
		}
		late := waitRoom(t, q, "a")
		q.ShutDown()
		if err := <-late.result; !errors.Is(err, queue.ErrShuttingDown) {
			t.Errorf("WaitRoom() = %v", err)
		}
	})
}

// Over all lanes no more than so many items are in work, and as many as that
// while there are any.
func TestSetInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{MaxInFlight: 2})
		q.SetInFlight(3)
		fill(q, "a", 10)
		got := make(chan string, 20)
		for range 20 {
			go func() {
				if item, shutdown := q.Get(); !shutdown {
					got <- item
				}
			}()
		}
		synctest.Wait()
		equal(t, "of one cluster", len(got), 2)
		fill(q, "b", 10)
		synctest.Wait()
		equal(t, "of both", len(got), 3)
		q.Done(<-got)
		synctest.Wait()
		equal(t, "one is done", len(got), 3)
		q.SetInFlight(0)
		synctest.Wait()
		equal(t, "without a limit", len(got), 4)
		q.SetInFlight(1)
		for range 3 {
			q.Done(<-got)
			synctest.Wait()
		}
		equal(t, "a lower limit", len(got), 1)
		q.Done(<-got)
		synctest.Wait()
		equal(t, "and the next", len(got), 1)
		q.ShutDown()
		q.SetInFlight(0)
		q.SetMaxInFlight(0)
		synctest.Wait()
	})
}
