package ledger

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// routesHistory is a random interleaving of what happens to one resource with three
// sinks: writes, compactions, broken streams, full lanes, refused changes, replays,
// other selections, sinks that are taken out and come back, a resource that is not
// followed for a while, changes that are refused for good and sent again, and crashes.
type routesHistory struct {
	t       *testing.T
	off     string // the rule that is switched off; "": none
	r       *rand.Rand
	store   *memStore
	server  *routeServer
	ledger  *Ledger
	routes  []*route
	streams []*routeStream
	watched bool
	forgets bool     // so few deletions are remembered that resume points are given up
	unwatch bool     // there are times at which nobody follows the resource
	letters bool     // sinks refuse some changes for good
	resting bool     // not now
	rejoins bool     // the cluster leaves, and returns
	held    int      // times that it has left while a sink held changes
	early   []string // what was wrong before the end
}

func newRoutesHistory(t *testing.T, seed uint64, off string) *routesHistory {
	h := &routesHistory{
		t: t, off: off, r: rand.New(rand.NewPCG(seed, 2)), store: newMemStore(),
		server: &routeServer{rv: 10, objects: map[string]routed{}, odd: seed%2 > 0 && (slices.Contains(whole, off) || off == ordered)}, watched: true,
		forgets: seed%3 == 0 && slices.Contains(whole, off),
	}
	for i := range 3 {
		h.routes = append(h.routes, &route{
			routesHistory: h, sink: newRouteSink(), selection: "rb",
			id: StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Route: fmt.Sprint(i)},
		})
	}
	h.restart()
	return h
}

func (h *routesHistory) commit(all bool) {
	if err := h.ledger.writer.commit(h.t.Context(), all); err != nil {
		h.t.Fatal(err)
	}
}

// restart is a new process after kill -9, or after one that has stopped in good order:
// only the server, the store and the sinks stay. One may have another selection then.
func (h *routesHistory) restart() {
	if h.ledger != nil && slices.Contains(whole, h.off) {
		if h.r.IntN(2) == 0 {
			for _, c := range h.ledger.all() {
				c.close()
			}
			h.commit(true)
		}
		if h.r.IntN(2) == 0 {
			h.routes[h.r.IntN(len(h.routes))].selection = []string{"r", "b", "rb"}[h.r.IntN(3)]
		}
	}
	l, err := Open(h.t.Context(), Options{Store: h.store})
	if err != nil {
		h.t.Fatal(err)
	}
	h.ledger, h.streams = l, nil
	for _, c := range l.all() {
		if h.off == killed && c.reobserved != nil {
			c.head.Generation, c.reobserved = c.head.Generation-1, nil
		}
	}
	for _, r := range h.routes {
		r.endParting()
		r.lane, r.batch, r.delivered, r.stream, r.cursor = map[string]routed{}, nil, nil, nil, nil
		r.late = nil
		for i := range r.putAway {
			r.putAway[i].again = nil
		}
		if !r.out && h.watched {
			r.claim()
		}
		if r.cursor != nil && h.off == numbered {
			r.cursor.numbers.last = 100
		}
	}
	h.ledger.Watched("a", among(h.ids()), nil)
}

// drive is one step of the streams.
func (h *routesHistory) drive() {
	switch x := h.r.Float64(); {
	case x < 0.15: // routes without a stream read for themselves once their lane has room
		for _, r := range h.routes {
			if r.stream != nil || r.cursor == nil || r.out || len(r.lane) >= laneOf {
				continue
			}
			s := &routeStream{routes: map[*route]bool{r: true}, last: -1}
			if _, ok := r.cursor.Start(); ok {
				s.begin(positionOf(r.cursor))
			}
			r.stream, h.streams, r.framed = s, append(h.streams, s), false
		}
	case x < 0.30 && len(h.streams) > 1: // who has caught up joins
		i, k := h.r.IntN(len(h.streams)), h.r.IntN(len(h.streams))
		a, b := h.streams[i], h.streams[k]
		if i == k || !a.covers(b, h.off) {
			return
		}
		if h.r.IntN(2) == 0 {
			h.commit(true)
			h.commit(true) // deletions that the stored resume point has passed are forgotten now
		}
		for r := range a.routes {
			r.cursor.Seen(strconv.Itoa(b.last)) // there was nothing in between
			r.stream, b.routes[r] = b, true
		}
		clear(a.routes)
	case x < 0.33 && len(h.streams) > 0: // a stream breaks: a snapshot under way begins anew, a watch goes on
		if s := h.streams[h.r.IntN(len(h.streams))]; s.listing {
			s.listing, s.page, s.last = false, nil, -1
		}
	case len(h.streams) > 0:
		if s := h.streams[h.r.IntN(len(h.streams))]; len(s.routes) > 0 {
			s.step(h)
		}
	}
	h.streams = slices.DeleteFunc(h.streams, func(s *routeStream) bool { return len(s.routes) == 0 })
}

func (h *routesHistory) step() {
	r := h.routes[h.r.IntN(len(h.routes))]
	switch x := h.r.Float64(); {
	case x < 0.20:
		h.server.write(h.r)
	case x < 0.50:
		h.drive()
	case x < 0.80:
		if !r.out {
			r.part()
			r.work()
			r.checkParted()
		}
	case x < 0.88:
		h.commit(true)
	case x < 0.90:
		h.server.compacted += h.r.IntN(h.server.rv - h.server.compacted + 1)
	case x < 0.92:
		h.restart()
	case x < 0.925:
		if !r.out && h.watched {
			r.replay()
		}
	case x < 0.93:
		if !r.out {
			r.selectOnly([]string{"r", "b", "rb"}[h.r.IntN(3)])
		}
	case x < 0.94:
		h.takeOutOrBack(r)
	case x < 0.945 && slices.Contains(whole, h.off):
		if !r.out && h.watched {
			r.claim() // by another owner, whose streams are made anew
		}
	case x < 0.95 && h.unwatch:
		h.watchOrNot()
	case x < 0.955 && h.rejoins:
		h.rejoin()
	case h.letters && x < 0.97:
		r.retryLetter()
	default:
		h.server.rv++ // writes to other resources
	}
}

// selectOnly is another selection for one route. What was in work goes on.
func (r *route) selectOnly(selection string) {
	if r.selection != selection {
		if r.selection = selection; r.watched {
			r.claim()
		}
	}
}

func (h *routesHistory) takeOutOrBack(r *route) {
	switch {
	case r.out:
		if r.out = false; h.watched {
			r.claim()
		}
	case r.batch == nil:
		r.leave()
		r.endParting()
		h.commit(true)
		if r.out, r.lane = true, map[string]routed{}; h.off == keeps {
			h.ledger.Drop(r.id)
			h.commit(true)
		}
	}
}

// trouble is a time in which little is stored, and nothing is written in the end that
// would hide what goes wrong. It has phases, in each of which other things happen most:
// a sink stands still while objects change, and then takes much without an ack, say.
// After each there may be a kill, another selection or another owner, of one route most
// often.
func (h *routesHistory) trouble() {
	defer func() { h.server.keys = "" }()
	one := h.routes[h.r.IntN(len(h.routes))]
	for range 1 + h.r.IntN(6) {
		h.server.keys = "abcdef"[:1+h.r.IntN(6)]
		var shares [5]float64
		for i := range shares {
			shares[i] = h.r.ExpFloat64()
		}
		shares[0], shares[1] = shares[0]/4*float64(h.r.IntN(2)), shares[1]/20*float64(h.r.IntN(2))
		for range h.r.IntN(100) {
			switch r := h.routes[h.r.IntN(len(h.routes))]; pick(h.r, shares[:]) {
			case 0:
				h.server.write(h.r)
			case 1:
				h.commit(true)
			case 2:
				h.drive()
			case 3:
				r.work()
			case 4:
				one.work()
			}
			if h.letters && h.r.IntN(10) == 0 {
				h.routes[h.r.IntN(len(h.routes))].retryLetter()
			}
		}
		selection := []string{"r", "b", "rb"}[h.r.IntN(3)]
		switch h.r.IntN(6) {
		case 0:
			h.restart()
		case 1, 2:
			one.selection = selection
			h.restart()
		case 3, 4:
			one.selectOnly(selection)
		case 5:
			switch {
			case h.rejoins:
				h.rejoin()
			case h.watched:
				one.claim() // by another owner
			}
		}
	}
}

// pick returns an index, each with its share of the sum.
func pick(r *rand.Rand, shares []float64) int {
	sum := 0.0
	for _, share := range shares {
		sum += share
	}
	x := r.Float64() * sum
	for i, share := range shares {
		if x -= share; x < 0 {
			return i
		}
	}
	return len(shares) - 1
}

// settle lets all come to rest, with the resource not followed for a while if that is
// what the history is about: after each of some times of trouble, and then with one route
// narrowed and widened again.
func (h *routesHistory) settle() {
	if h.unwatch {
		h.unwatchForAWhile()
	}
	for _, r := range h.routes {
		if r.out {
			h.takeOutOrBack(r)
		}
	}
	for range 3 {
		h.trouble()
		if h.rest(); len(h.early) == 0 {
			h.early = h.wrong()
		}
	}
	r := h.routes[h.r.IntN(len(h.routes))]
	for _, selection := range []string{string("rb"[h.r.IntN(2)]), r.selection} {
		r.selectOnly(selection)
		h.rest()
	}
}

func (h *routesHistory) rest() {
	h.resting = true
	for range 1500 {
		h.drive()
		for _, each := range h.routes {
			each.work()
			if h.letters {
				each.retryLetter()
			}
		}
	}
	h.resting = false
}

// wrong tells what is not as it must be in the end.
func (h *routesHistory) wrong() (all []string) {
	all = h.early
	for _, r := range h.routes {
		all = append(all, r.lettersLeft()...)
		right, alive := map[string]string{}, map[string]bool{}
		for key, o := range h.server.objects {
			if strings.Contains(r.selection, o.colour) {
				right[key], alive[o.uid] = fmt.Sprint(o.uid, "@", o.rv), true
			}
		}
		for what, state := range map[string]map[string]string{
			"final state": r.sink.state, "state in a sink that drops repeats": r.sink.unique, "state in a sink that orders": r.sink.ordered,
		} {
			if !maps.Equal(state, right) {
				all = append(all, fmt.Sprintf("sink %s: %s %v, want %v", r.id.Route, what, state, right))
			}
		}
		for uid := range r.sink.seen {
			if !alive[uid] && !r.sink.gone[uid] {
				all = append(all, "a UID is never deleted: "+uid)
			}
		}
		for key := range right {
			if r.sink.replayed[key] < r.sink.asked {
				all = append(all, "a replay that was confirmed is not done: "+key)
			}
		}
		if len(r.sink.backwards) > 0 {
			all = append(all, fmt.Sprintf("sink %s went backwards: %v", r.id.Route, r.sink.backwards))
		}
		if s := r.cursor.Stats(); s.Unacked != 0 || s.Known != len(right) {
			all = append(all, fmt.Sprintf("sink %s at rest: %+v", r.id.Route, s))
		}
		if u := r.cursor.recount(); u != r.cursor.usage {
			all = append(all, fmt.Sprintf("%+v are counted of what takes %+v", r.cursor.usage, u))
		}
	}
	return all
}

func playRoutes(t *testing.T, seed uint64, off string) []string {
	return newRoutesHistory(t, seed, off).play()
}

func (h *routesHistory) play() []string {
	for range 700 {
		h.step()
	}
	h.settle()
	return h.wrong()
}

func TestRoutes(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*routeSeeds); seed++ {
		if wrong := playRoutes(t, seed, ""); len(wrong) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(wrong, "\n"))
		}
	}
}

// Each rule is needed: without it some history goes wrong. The seeds are those at
// which it did when they were looked for, to be there soon.
func TestRoutesNeedEachRule(t *testing.T) {
	const most = 2500
	for rule, first := range map[string]uint64{
		skips: 79, position: 51, ownSnapshot: 1176, observed: 731, confirmed: 2480, leaves: 29, keeps: 0,
		givesWay: 79, versioned: 1321, generation: 10, numbered: 0, refuses: 6,
		ordered: 3, anew: 1267, killed: 19, first: 25, deleted: 25,
	} {
		t.Run(rule, func(t *testing.T) {
			for i := range uint64(most) {
				seed := (first + i) % most
				if wrong := playRoutes(t, seed, rule); len(wrong) > 0 {
					t.Logf("seed %d: %s", seed, wrong[0])
					return
				}
			}
			t.Error("nothing goes wrong without it")
		})
	}
}
