package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A sink may refuse changes for good, and deletions of other UIDs before them. They are put
// away, which outlives a kill, count as accepted, and are sent again later: as what they are,
// or, if another UID has the name by then, as a ghost before the state of that one. In the
// end each sink has what there is, whatever has become of its selection, of its stream and
// of its owner meanwhile.

// routeLetter is a change that a sink has refused for good.
type routeLetter struct {
	routed
	again *Redelivery // nil: it is not being sent
}

// refusesForGood reports whether the sink does.
func (r *route) refusesForGood() bool {
	return r.letters && !r.resting && r.r.Float64() < 0.1
}

// tell has the sink take a change, or refuse it for good.
func (r *route) tell(x routed) (accepted bool) {
	if r.refusesForGood() {
		x.again = false
		r.putAway = append(r.putAway, routeLetter{routed: x})
		r.refused++
		return false
	}
	r.sink.receive(x, r.off)
	return true
}

// retryLetter sends a letter again, if the cursor lets it. What the lane has no room for is
// handed over later.
func (r *route) retryLetter() {
	r.putAway = slices.DeleteFunc(r.putAway, func(l routeLetter) bool { return l.again.isAcked() })
	if len(r.late) > 0 && !r.full(r.late[0].key) {
		r.offer(r.late[0])
		r.late = r.late[1:]
	}
	if len(r.putAway) == 0 || r.out || !r.watched {
		return
	}
	at := r.r.IntN(len(r.putAway))
	l := &r.putAway[at]
	if l.again != nil && !l.again.isSettled() {
		return
	}
	if _, ok := r.cursor.Start(); !ok || !r.cursor.Reached(l.version().ResourceVersion) {
		return // its snapshot is not over
	}
	again, sequence, err := r.cursor.Redeliver(l.name(), l.version(), l.deleted)
	switch {
	case err == nil && r.r.Float64() < 0.1:
		r.cursor.GiveUp(l.name(), again)
	case err == nil:
		l.again = again
		x := l.routed
		x.sequence, x.cursor, x.again = sequence, r.cursor, true
		r.late = append(r.late, x)
	case errors.Is(err, ErrNameTaken):
		if l.again, err = r.cursor.RedeliverGhost(l.name(), l.uid); err == nil {
			r.asGhosts++
			r.leave() // for a snapshot
		}
	}
	switch {
	case errors.Is(err, ErrSuperseded):
		r.putAway = slices.Delete(r.putAway, at, at+1)
	case err != nil && !errors.Is(err, ErrNotNow):
		r.t.Fatal(err)
	}
}

// isSettled reports whether it is known what became of it.
func (r *Redelivery) isSettled() bool {
	select {
	case <-r.Settled():
		return true
	default:
		return false
	}
}

// isAcked reports whether it was accepted. It may be nil.
func (r *Redelivery) isAcked() bool { return r != nil && r.isSettled() && r.Acked() }

func newLettersHistory(t *testing.T, seed uint64) *routesHistory {
	h := newRoutesHistory(t, seed, "")
	h.letters, h.unwatch = true, seed%5 == 0
	return h
}

func TestRoutesWithDeadLetters(t *testing.T) {
	refused, ghosts := 0, 0 // histories with at least one
	for seed := *firstSeed; seed < *firstSeed+uint64(*routeSeeds); seed++ {
		h := newLettersHistory(t, seed)
		if wrong := h.play(); len(wrong) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(wrong, "\n"))
		}
		n, m := 0, 0
		for _, r := range h.routes {
			n, m = n+r.refused, m+r.asGhosts
		}
		refused, ghosts = refused+min(n, 1), ghosts+min(m, 1)
	}
	t.Logf("of %d histories %d have dead letters, and %d send one again whose name is taken", *routeSeeds, refused, ghosts)
	if *routeSeeds >= 100 && min(refused, ghosts) < *routeSeeds/4 {
		t.Error("that is too few: this tests little of dead letters")
	}
}

// lettersLeft tells which letters are never accepted.
func (r *route) lettersLeft() (all []string) {
	for _, l := range r.putAway {
		all = append(all, fmt.Sprintf("sink %s never accepts %s@%d of %s, deleted: %t", r.id.Route, l.uid, l.rv, l.key, l.deleted))
	}
	return all
}
