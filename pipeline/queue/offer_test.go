package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// offering is an Offer that may be blocked.
type offering struct {
	cancel context.CancelFunc
	result chan error
}

// offer starts an Offer and lets it come as far as it gets.
func offer(t *testing.T, q *stateQueue, s state, priority int) *offering {
	ctx, cancel := context.WithCancel(t.Context())
	o := &offering{cancel: cancel, result: make(chan error, 1)}
	go func() { o.result <- q.Offer(ctx, s, priority) }()
	synctest.Wait()
	return o
}

func (o *offering) blocked() bool { return len(o.result) == 0 }

func wantBlocked(t *testing.T, what string, want bool, offers ...*offering) {
	t.Helper()
	synctest.Wait()
	for i, o := range offers {
		if o.blocked() != want {
			t.Fatalf("%s: offer %d: blocked = %v, want %v", what, i, o.blocked(), want)
		}
	}
}

// sized is an item of cluster a.
func sized(name string, size int) state { return state{cluster: "a", name: name, size: size} }

const low = -100

// A newer item takes the place of one that waits, but not more room than there
// is: else small objects that all grow would fill the memory.
func TestOfferOfALargerItemBlocksAtTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneBytes: 100})
		equal(t, "alone, any size fits", offer(t, q, sized("1", 500), 0).blocked(), false)
		equal(t, "and may grow", offer(t, q, sized("1", 600), 0).blocked(), false)
		equal(t, "the first", take(t, q, 1), []state{sized("1", 600)})

		wantBlocked(t, "there is room", false, offer(t, q, sized("1", 10), 0), offer(t, q, sized("2", 40), 0), offer(t, q, sized("2", 90), 0))
		grown := offer(t, q, sized("1", 11), 0)
		wantBlocked(t, "no room for one byte more", true, grown)
		wantBlocked(t, "it becomes no larger", false, offer(t, q, sized("2", 90), 0))
		if s := lane(q, "a"); s.Bytes != 100 || s.Live != 2 {
			t.Errorf("stats %+v", s)
		}
		// Of an identity that blocks, the older item goes on and the newer one
		// follows it.
		equal(t, "the older state", take(t, q, 1), []state{sized("1", 10)})
		wantBlocked(t, "the other one still takes the room", true, grown)
		equal(t, "the rest", takeAll(t, q), []state{sized("2", 90), sized("1", 11)})
	})
}

func TestOfferBlocksAtTheCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 2})
		one, two := offer(t, q, v("1", 1), 0), offer(t, q, v("2", 1), 0)
		wantBlocked(t, "room for two", false, one, two)
		three, four := offer(t, q, v("3", 1), 0), offer(t, q, v("4", 1), 0)
		wantBlocked(t, "the lane is full", true, three, four)
		other := offer(t, q, state{cluster: "b"}, 0)
		wantBlocked(t, "another cluster has room", false, other)
		time.Sleep(7 * time.Second)
		if s := lane(q, "a"); s.BlockedOffers != 2 || s.Blocked != 7*time.Second || s.Added != 2 {
			t.Errorf("stats %+v", s)
		}
		equal(t, "first", take(t, q, 1), []state{v("1", 1)})
		wantBlocked(t, "room for one", false, three)
		wantBlocked(t, "room for one", true, four)
		equal(t, "the rest", takeAll(t, q), []state{{cluster: "b"}, v("2", 1), v("3", 1), v("4", 1)})
		if err := <-four.result; err != nil {
			t.Error(err)
		}
		time.Sleep(7 * time.Second)
		if s := lane(q, "a"); s.BlockedOffers != 0 || s.Blocked != 7*time.Second || s.Added != 4 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestOfferBlocksAtTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneBytes: 100})
		large := offer(t, q, sized("large", 1000), 0)
		wantBlocked(t, "one item always fits an empty lane", false, large)
		small := offer(t, q, sized("small", 1), 0)
		wantBlocked(t, "no room beside the large one", true, small)
		q.Add(sized("large", 99))
		wantBlocked(t, "the large one has become smaller", false, small)
		more := offer(t, q, sized("more", 1), 0)
		wantBlocked(t, "full to the byte", true, more)
		takeAll(t, q)
		wantBlocked(t, "empty", false, more)
	})
}

func TestOfferOfWhatIsInTheLaneNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 1})
		q.Add(v("x", 1))
		blocked := offer(t, q, v("y", 1), 0)
		same := offer(t, q, v("x", 2), 0)
		wantBlocked(t, "it is in the lane", false, same)
		wantBlocked(t, "it is not", true, blocked)
		equal(t, "items", takeAll(t, q), []state{v("x", 2), v("y", 1)})
	})
}

func TestOfferOfWhatIsInWorkTakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 1})
		q.Add(v("x", 1))
		item, _ := q.Get()
		newer, other := offer(t, q, v("x", 2), 0), offer(t, q, v("y", 1), 0)
		wantBlocked(t, "what is in work takes no room", false, newer)
		wantBlocked(t, "but the newer one that waits for its Done does", true, other)
		q.Done(item)
		equal(t, "items", takeAll(t, q), []state{v("x", 2), v("y", 1)})
	})
}

// An identity that comes into the lane some other way takes the blocked Offers
// along; the newest item wins.
func TestOfferIsAdmittedWithItsIdentity(t *testing.T) {
	for name, test := range map[string]struct {
		comes func(*stateQueue)
		want  int
	}{
		"a newer item is added":     {func(q *stateQueue) { q.Add(v("x", 9)) }, 9},
		"an older one comes back":   {func(q *stateQueue) { q.AddAfter(v("x", 1), 0) }, 5},
		"an older one becomes due":  {func(q *stateQueue) { q.AddAfter(v("x", 1), time.Second) }, 5},
		"its delay ends by another": {func(q *stateQueue) { q.AddAfter(v("x", 1), time.Hour); q.AddAfter(v("x", 1), 0) }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newStateQueue(queue.Options[state, string]{LaneCapacity: 1})
				q.Add(v("full", 0))
				first, second := offer(t, q, v("x", 4), low), offer(t, q, v("x", 5), low)
				wantBlocked(t, "full", true, first, second)
				test.comes(q)
				time.Sleep(2 * time.Second)
				wantBlocked(t, "the identity is in the lane", false, first, second)
				if err := errors.Join(<-first.result, <-second.result); err != nil {
					t.Error(err)
				}
				equal(t, "items", takeAll(t, q), []state{v("full", 0), v("x", test.want)})
				time.Sleep(forever)
				equal(t, "Len() later", q.Len(), 0)
			})
		})
	}
}

func TestLiveOffersGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 4})
		for i := range 4 {
			q.Add(v(fmt.Sprint("full", i), 1))
		}
		s1, s2 := offer(t, q, v("s1", 1), low), offer(t, q, v("s2", 1), low)
		l1, l2 := offer(t, q, v("l1", 1), 0), offer(t, q, v("l2", 1), 0)
		for _, o := range []*offering{l1, l2, s1, s2} {
			wantBlocked(t, "before its turn", true, o)
			take(t, q, 1)
			wantBlocked(t, "at its turn", false, o)
		}
	})
}

// Nor do live ones shut out a first list, however fast they come.
func TestEveryEighthAdmissionIsOfTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 4})
		for i := range 4 {
			q.Add(v(fmt.Sprint("full", i), 1))
		}
		first := offer(t, q, v("s", 1), low)
		flood := make([]*offering, 40)
		for i := range flood {
			flood[i] = offer(t, q, v(fmt.Sprint("l", i), 1), 0)
		}
		for i := range 8 {
			wantBlocked(t, fmt.Sprint("before admission ", i), true, first)
			take(t, q, 1)
		}
		wantBlocked(t, "at the eighth", false, first)
		take(t, q, 40+4+1-8)
	})
}

// A first list never shuts live changes out.
func TestSnapshotFillsThreeQuarters(t *testing.T) {
	for name, o := range map[string]queue.Options[state, string]{
		"of the count": {LaneCapacity: 8},
		"of the bytes": {LaneBytes: 80},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newStateQueue(o)
				for i := range 6 {
					wantBlocked(t, "three quarters", false, offer(t, q, sized(fmt.Sprint("s", i), 10), low))
				}
				s6 := offer(t, q, sized("s6", 10), low)
				wantBlocked(t, "the seventh", true, s6)
				wantBlocked(t, "live ones have the rest", false,
					offer(t, q, sized("l0", 10), 0), offer(t, q, sized("l1", 10), 0))
				l2 := offer(t, q, sized("l2", 10), 0)
				wantBlocked(t, "full", true, l2, s6)
				take(t, q, 1) // l0
				wantBlocked(t, "the place of a live one", false, l2)
				wantBlocked(t, "is not for the snapshot", true, s6)
				q.Add(sized("s0", 10)) // is live now: 3 live, 5 of the snapshot
				wantBlocked(t, "the lane is full still", true, s6)
				take(t, q, 1)
				wantBlocked(t, "room in the class and in the lane", false, s6)
				takeAll(t, q)
			})
		})
	}
}

func TestSnapshotFillsALaneWithoutBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: math.MaxInt, LaneBytes: math.MaxInt64})
		for i := range 3 {
			wantBlocked(t, "no bounds", false, offer(t, q, sized(fmt.Sprint(i), 10), low))
		}
	})
}

func TestOneSnapshotItemAlwaysFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 1, LaneBytes: 10})
		wantBlocked(t, "empty lane", false, offer(t, q, sized("x", 100), low))
	})
}

func TestOfferEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 10, LaneBytes: 10})
		q.Add(sized("x", 5))
		large := offer(t, q, sized("large", 6), 0)
		small := offer(t, q, sized("small", 5), 0)
		wantBlocked(t, "nobody overtakes", true, large, small)
		large.cancel()
		if err := <-large.result; !errors.Is(err, context.Canceled) {
			t.Errorf("Offer() = %v, want one that wraps context.Canceled", err)
		}
		wantBlocked(t, "what it kept out", false, small)
		equal(t, "items", takeAll(t, q), []state{sized("x", 5), sized("small", 5)})
		if s := lane(q, "a"); s.BlockedOffers != 0 || s.Added != 2 {
			t.Errorf("stats %+v", s)
		}
		large = offer(t, q, sized("large", 6), 0)
		wantBlocked(t, "the same again", false, large)
	})
}

// An item that comes back may take a large offer of its identity along, past
// the place where that held up a smaller one.
func TestComingBackLetsOthersIn(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := newStateQueue(queue.Options[state, string]{LaneBytes: 100})
			q.AddWithOpts(opts{Priority: new(low)}, sized("listed", 60))
			large, small := offer(t, q, sized("large", 30), low), offer(t, q, sized("small", 10), low)
			wantBlocked(t, "the large one does not fit three quarters", true, large, small)
			q.AddAfter(sized("large", 1), delay) // it is live
			time.Sleep(delay)
			wantBlocked(t, "the small one does", false, large, small)
		})
	}
}

// Room is made just after the context has ended, before or after Offer has
// seen that: what it returns is what happened.
func TestOfferAdmittedAsItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 1})
		admitted := 0
		for i := range 300 {
			q.Add(v("full", i))
			o := offer(t, q, v("x", i), 0)
			o.cancel()
			take(t, q, 1)
			if err := <-o.result; err == nil {
				admitted++
			}
			takeAll(t, q)
		}
		equal(t, "admitted", admitted, int(lane(q, "a").HandedOut)-300)
	})
}

// Room made, contexts ended and clusters removed all at once: every Offer
// returns, and what it returned is what happened.
func TestOfferRaces(t *testing.T) {
	const streams, items = 8, 200
	q := newStateQueue(queue.Options[state, string]{LaneCapacity: 2})
	admitted := make(chan int, streams)
	for s := range streams {
		go func() {
			n := 0
			for i := range items {
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					go cancel()
				}
				if q.Offer(ctx, state{cluster: "a", name: fmt.Sprint(s, " ", i)}, -(i&1)) == nil {
					n++
				}
				cancel()
			}
			admitted <- n
		}()
	}
	handedOut := make(chan int)
	go func() {
		n := 0
		for {
			item, shutdown := q.Get()
			if shutdown {
				handedOut <- n
				return
			}
			n++
			q.Done(item)
		}
	}()
	want := 0
	for range streams {
		want += <-admitted
	}
	q.ShutDown()
	equal(t, "handed out", <-handedOut, want)
}
