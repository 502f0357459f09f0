package ledger

import (
	"slices"
	"strings"
	"testing"
)

// rejoin has the cluster leave the fleet, and return at once. Some sinks hold changes then,
// which they accept or refuse later; the others have done with theirs. What waits is dropped.
func (h *routesHistory) rejoin() {
	var held []string
	for _, r := range h.routes {
		r.leave()
		r.endParting()
		if r.batch != nil && h.r.IntN(2) == 0 {
			held = append(held, r.id.Route)
		}
		for r.batch != nil && !slices.Contains(held, r.id.Route) {
			r.work()
		}
		r.lane = map[string]routed{}
	}
	h.held += len(held)
	h.ledger.Leave("a", held...)
	h.ledger.Join("a")
	for _, r := range h.routes {
		if !r.out && h.watched {
			r.claim()
		}
	}
	h.ledger.Watched("a", among(h.ids()), nil)
}

// A member leaves and returns while sinks hold changes of it, with dead letters or without.
func TestRoutesRejoin(t *testing.T) {
	held := 0 // histories in which a sink did
	for seed := *firstSeed; seed < *firstSeed+uint64(*routeSeeds); seed++ {
		h := newRoutesHistory(t, seed, "")
		h.rejoins, h.letters, h.unwatch = true, seed%2 == 0, seed%5 == 0
		if wrong := h.play(); len(wrong) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(wrong, "\n"))
		}
		held += min(h.held, 1)
	}
	if *routeSeeds >= 100 && held < *routeSeeds/4 {
		t.Errorf("in %d histories a sink holds changes: that tests little", held)
	}
}
