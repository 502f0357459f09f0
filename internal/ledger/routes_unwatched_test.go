package ledger

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"
)

// parting is a route whose resource nobody follows any more: its sink is told that all
// is gone, as its lane has room.
type parting struct {
	cursor *Cursor
	next   func() (Tombstone, bool)
	stop   func()
}

// watchOrNot is a new process that does not follow the resource any more, or does
// again; or the same process finds out that a name means it after all.
func (h *routesHistory) watchOrNot() {
	if h.watched = !h.watched; h.watched && h.r.IntN(2) == 0 {
		for _, r := range h.routes {
			r.endParting()
			if !r.out {
				r.claim()
			}
		}
		h.ledger.Watched("a", among(h.ids()), nil)
		return
	}
	h.restart()
}

// unwatchForAWhile breaks off the leave that is taken somewhere on its way. Nothing is
// written meanwhile: it would hide what is lost.
func (h *routesHistory) unwatchForAWhile() {
	if h.watched {
		for range 300 { // to have something to take leave of
			h.drive()
			h.routes[h.r.IntN(len(h.routes))].work()
		}
		h.watchOrNot()
	}
	for range h.r.IntN(80) {
		r := h.routes[h.r.IntN(len(h.routes))]
		if !r.out {
			r.part()
			r.work()
			r.checkParted()
		}
		if h.r.IntN(12) == 0 {
			h.commit(true)
		}
	}
	h.watchOrNot()
}

func (h *routesHistory) ids() (all []StreamID) {
	if h.watched {
		for _, r := range h.routes {
			all = append(all, r.id)
		}
	}
	return all
}

// part begins to take leave, or goes on with it.
func (r *route) part() {
	if r.watched || r.out {
		return
	}
	if r.parting == nil {
		for _, c := range r.ledger.Unwatched("a", time.Now().Add(2*r.ledger.retention)) {
			if c.ID() != r.id {
				continue
			}
			x := &parting{cursor: c}
			x.next, x.stop = iter.Pull(c.Retire())
			r.parting = x
		}
		if r.parting == nil {
			return
		}
	}
	if len(r.lane) >= laneOf {
		return
	}
	d, ok := r.parting.next()
	r.switchOffTold()
	if !ok {
		r.endParting() // and once more, unless all is acked
		return
	}
	rv, err := strconv.Atoi(d.Version.ResourceVersion)
	if err != nil {
		r.t.Fatal(err)
	}
	r.offer(routed{
		key: d.Name.Name, uid: d.Version.UID, rv: rv, deleted: true, listed: true,
		sequence: d.Sequence, generation: d.Generation, replays: r.sink.asked, cursor: r.parting.cursor,
	})
}

// switchOffTold undoes what is noted before the first tombstone.
func (r *route) switchOffTold() {
	if r.off == toldAnew {
		r.parting.cursor.head.Told = false
	}
}

func (r *route) endParting() {
	if r.parting != nil {
		r.parting.stop()
		r.parting = nil
	}
}

// checkParted verifies that a sink which was told that all is gone holds nothing.
func (r *route) checkParted() {
	if c := r.ledger.cursors[r.id]; !r.watched && !r.out && c != nil && r.parting == nil && len(r.batch) == 0 {
		if c.isEmpty() && len(r.putAway) == 0 && len(r.sink.state)+len(r.sink.ordered)+len(r.sink.unique) > 0 {
			r.early = append(r.early, fmt.Sprintf("all is told to be gone, and sink %s has %v, %v, %v", r.id.Route, r.sink.state, r.sink.unique, r.sink.ordered))
		}
	}
}

func playUnwatched(t *testing.T, seed uint64, off string) []string {
	h := newRoutesHistory(t, seed, off)
	h.unwatch = true
	return h.play()
}

// Whenever leave is taken of a resource, and wherever that is broken off, by a kill or
// because it is followed again: in the end each sink has what there is.
func TestRoutesUnwatched(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*routeSeeds); seed++ {
		if wrong := playUnwatched(t, seed, ""); len(wrong) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(wrong, "\n"))
		}
	}
	for _, rule := range []string{toldAnew} {
		needed := false
		for seed := uint64(0); seed < 100 && !needed; seed++ {
			needed = len(playUnwatched(t, seed, rule)) > 0
		}
		if !needed {
			t.Errorf("nothing goes wrong without this: %s", rule)
		}
	}
}
