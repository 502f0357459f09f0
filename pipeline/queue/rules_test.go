package queue_test

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

func v(name string, version int) state {
	return state{cluster: "a", name: name, version: version, size: version}
}

func TestNewerItemReplacesAndKeepsThePlace(t *testing.T) {
	q := newStateQueue(queue.Options[state, string]{})
	q.Add(v("x", 1))
	q.Add(v("y", 1))
	q.Add(v("x", 20))
	if s := lane(q, "a"); s.Live != 2 || s.Bytes != 21 || s.Coalesced != 1 {
		t.Errorf("stats %+v", s)
	}
	equal(t, "items", takeAll(t, q), []state{v("x", 20), v("y", 1)})
	if s := lane(q, "a"); s.Live != 0 || s.Bytes != 0 || s.Added != 3 || s.HandedOut != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestNewerItemEndsTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{})
		q.AddAfter(v("x", 1), time.Hour)
		if s := lane(q, "a"); s.Delayed != 1 || s.Live != 0 || s.Bytes != 1 {
			t.Errorf("stats %+v", s)
		}
		q.Add(v("x", 2))
		equal(t, "items", takeAll(t, q), []state{v("x", 2)})
		time.Sleep(2 * time.Hour)
		equal(t, "Len() later", q.Len(), 0)
	})
}

func TestNewerItemWaitsForDone(t *testing.T) {
	q := newStateQueue(queue.Options[state, string]{})
	q.Add(v("x", 1))
	item, _ := q.Get()
	q.Add(v("x", 2))
	q.Add(v("x", 3))
	equal(t, "Len() while in work", q.Len(), 0)
	if s := lane(q, "a"); s.Live != 1 || s.Bytes != 4 || s.InFlight != 1 || s.Coalesced != 1 {
		t.Errorf("stats %+v", s)
	}
	q.Done(item)
	equal(t, "items", takeAll(t, q), []state{v("x", 3)})
}

// What comes back is older than what waits, whichever way it comes.
func TestFailedItemGivesWay(t *testing.T) {
	for name, comeBack := range map[string]func(*stateQueue, state){
		"AddRateLimited":  func(q *stateQueue, s state) { q.AddRateLimited(s) },
		"AddAfter":        func(q *stateQueue, s state) { q.AddAfter(s, time.Minute) },
		"AddAfter 0":      func(q *stateQueue, s state) { q.AddAfter(s, 0) },
		"AddWithOpts":     func(q *stateQueue, s state) { q.AddWithOpts(opts{RateLimited: true}, s) },
		"after Done even": func(q *stateQueue, s state) { q.Done(s); q.AddRateLimited(s) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newStateQueue(queue.Options[state, string]{})
				q.Add(v("x", 1))
				failed, _ := q.Get()
				q.Add(v("x", 2))
				comeBack(q, failed)
				q.Done(failed)
				equal(t, "items", takeAll(t, q), []state{v("x", 2)})
				time.Sleep(forever)
				equal(t, "Len() later", q.Len(), 0)
			})
		})
	}
}

func TestFailedItemComesBackIfNothingIsNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{})
		q.Add(v("x", 1))
		failed, _ := q.Get()
		q.AddRateLimited(failed)
		q.Done(failed)
		equal(t, "Len()", q.Len(), 0)
		start := time.Now()
		equal(t, "items", take(t, q, 1), []state{v("x", 1)})
		equal(t, "delay", time.Since(start), 5*time.Millisecond)
	})
}

// A delay may end while an older item of the identity is still in work.
func TestDelayEndsInWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{})
		q.Add(v("x", 1))
		item, _ := q.Get()
		q.AddAfter(item, time.Second)
		time.Sleep(time.Minute)
		equal(t, "Len() in work", q.Len(), 0)
		if s := lane(q, "a"); s.Live != 1 || s.Delayed != 0 {
			t.Errorf("stats %+v", s)
		}
		q.Done(item)
		equal(t, "items", takeAll(t, q), []state{v("x", 1)})
	})
}
