package ledger

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

var routeSeeds = flag.Int("route-seeds", 60, "histories to play in TestRoutes for each rule")

// The rules of routes, each of which can be switched off here or in the cursor: a
// history must then go wrong. The server, streams, lanes and sinks are small models,
// the cursors are real ones.
const (
	skips       = "a route skips what it has seen when it joins a stream"
	position    = "a route leaves a shared stream with its own position"
	ownSnapshot = "a route that leaves in a snapshot begins its own"
	observed    = "an ack counts for a replay only if it was observed after it"
	confirmed   = "a replay is stored before it is confirmed"
	leaves      = "what leaves the selection is a deletion"
	keeps       = "a route that is taken out keeps its cursor"
	givesWay    = "a refused change gives way to a newer one"
	versioned   = "the id of a deletion has the deletion's version"
	generation  = "another selection raises the generation in ids"
	numbered    = "numbers go on above those of the process before"
	refuses     = "what is superseded is not handed over"
	toldAnew    = "what was told to be gone comes back in another generation"
)

// routed is a state of an object on its way to a sink.
type routed struct {
	key, uid, colour string
	rv               int
	deleted, listed  bool
	sequence         uint64
	generation       uint32
	replays          int // that were asked for when it was observed
	cursor           *Cursor
}

func (x routed) name() Name       { return Name{"ns", x.key} }
func (x routed) version() Version { return Version{x.uid, strconv.Itoa(x.rv)} }

// routeServer has objects of two colours.
type routeServer struct {
	rv, uids, compacted int
	objects             map[string]routed
	log                 []routed
}

func (s *routeServer) write(r *rand.Rand) {
	key := string("abcdef"[r.IntN(6)])
	s.rv++
	o, ok := s.objects[key]
	if ok && r.Float64() < 0.35 {
		delete(s.objects, key)
		o.deleted, o.rv = true, s.rv
		s.log = append(s.log, o)
		return
	}
	if !ok {
		s.uids++
		o = routed{key: key, uid: uuid(s.uids), colour: string("rb"[r.IntN(2)])}
	} else if r.Float64() < 0.3 {
		o.colour = string("rb"[r.IntN(2)])
	}
	o.rv = s.rv
	s.objects[key] = o
	s.log = append(s.log, o)
}

// routeSink holds what it was told last, what it holds if it drops for ever what has
// an id that it had before, and what it holds if it orders by sequence.
type routeSink struct {
	state, unique, ordered map[string]string
	seen, gone, ids        map[string]bool
	numbers                map[string]uint64
	replayed               map[string]int
	asked                  int
	newest                 map[string]int // that the present owner of the cursor has delivered
	backwards              []string
}

func newRouteSink() *routeSink {
	return &routeSink{
		state: map[string]string{}, unique: map[string]string{}, ordered: map[string]string{}, seen: map[string]bool{}, gone: map[string]bool{},
		ids: map[string]bool{}, numbers: map[string]uint64{}, replayed: map[string]int{}, newest: map[string]int{},
	}
}

func (s *routeSink) receive(x routed, off string) {
	set := func(state map[string]string) {
		if !x.deleted {
			state[x.key] = x.uid + "@" + strconv.Itoa(x.rv)
		} else if strings.HasPrefix(state[x.key], x.uid) {
			delete(state, x.key)
		}
	}
	set(s.state)
	if x.deleted {
		s.gone[x.uid] = true
	} else {
		s.seen[x.uid] = true
		s.replayed[x.key] = x.replays
	}
	if x.sequence >= s.numbers[x.key] {
		s.numbers[x.key] = x.sequence
		set(s.ordered)
	}
	id := fmt.Sprint(x.uid, x.deleted, x.rv, x.generation)
	if x.deleted && off == versioned {
		id = fmt.Sprint(x.uid, "deleted", x.generation)
	}
	if !s.ids[id] {
		s.ids[id] = true
		set(s.unique)
	}
}

// order notes what comes behind a newer state of its object.
func (s *routeSink) order(x routed) {
	if x.rv < s.newest[x.key] {
		s.backwards = append(s.backwards, fmt.Sprintf("%s@%d after %d", x.key, x.rv, s.newest[x.key]))
	}
	s.newest[x.key] = max(x.rv, s.newest[x.key])
}

// route is one sink's cursor, lane and worker.
type route struct {
	*routesHistory
	id        StreamID
	sink      *routeSink
	selection string
	cursor    *Cursor
	lane      map[string]routed
	batch     []routed // begun
	ghosts    map[string][]string
	next      int
	delivered []routed
	stream    *routeStream
	out       bool
	parting   *parting // nil: no leave is taken
}

const laneOf = 3

func (r *route) full(key string) bool {
	_, waits := r.lane[key]
	return len(r.lane) >= laneOf && !waits
}

// claim gives the route a handle, of a new owner.
func (r *route) claim() {
	r.leave()
	r.cursor, _ = r.ledger.Claim(Claiming{ID: r.id, Selection: Selection{Labels: r.selection}})
	if r.off == generation && r.cursor.head.Generation > 0 {
		r.cursor.head.Generation, r.cursor.again = 0, nil
	}
	clear(r.sink.newest)
	r.cursor.Address("whole")
}

func (r *route) leave() {
	if r.stream != nil {
		delete(r.stream.routes, r)
		r.stream = nil
	}
}

// offer hands an observation to the lane.
func (r *route) offer(x routed) {
	if was, waits := r.lane[x.key]; !waits || was.sequence < x.sequence {
		r.lane[x.key] = x
	}
}

func (r *route) observe(x routed, snapshot bool, like *Observation) *Observation {
	if !x.deleted && !strings.Contains(r.selection, x.colour) {
		_, pending, known := r.cursor.Lookup(x.name())
		if snapshot || r.off == leaves || !pending && !known {
			return like
		}
		x.deleted = true
	}
	o := r.cursor.Observe(x.name(), x.version(), x.deleted, snapshot, like)
	if o.Verdict == Deliver {
		x.sequence, x.generation, x.replays, x.cursor, x.listed = o.Sequence, o.Generation, r.sink.asked, r.cursor, snapshot
		r.offer(x)
	}
	return &o
}

// sweep ends a snapshot.
func (r *route) sweep(at int) {
	for d := range r.cursor.EndSnapshot(strconv.Itoa(at)) {
		r.offer(routed{
			key: d.Name.Name, uid: d.Version.UID, rv: at, deleted: true, listed: true,
			sequence: d.Sequence, generation: d.Generation, replays: r.sink.asked, cursor: r.cursor,
		})
	}
	r.cursor.Seen(strconv.Itoa(at))
}

// replay is confirmed to whoever asked once it returns.
func (r *route) replay() {
	r.cursor.RaiseDue()
	if r.off == observed {
		r.cursor.dueSince = 0
	}
	if r.off != confirmed {
		r.commit(true)
	}
	r.leave()
	r.sink.asked++
}

func (r *route) work() {
	switch {
	case r.batch == nil:
		r.next, r.delivered, r.ghosts = 0, nil, map[string][]string{}
		for _, key := range slices.Sorted(maps.Keys(r.lane)) {
			if len(r.batch) == 1+r.r.IntN(3) {
				break
			}
			x := r.lane[key]
			delete(r.lane, key)
			ghosts, _, unnoted, superseded := x.cursor.begin(x.sequence, x.name(), x.version(), x.deleted)
			if superseded && r.off != refuses {
				continue
			}
			if unnoted {
				r.commit(false)
			}
			r.batch, r.ghosts[key] = append(r.batch, x), ghosts
		}
	case r.next < len(r.batch):
		x := r.batch[r.next]
		r.next++
		if r.r.Float64() < 0.25 { // refused: it leaves the worker, and comes back
			if r.off == givesWay {
				delete(r.lane, x.key)
			}
			r.offer(x)
			return
		}
		for _, uid := range r.ghosts[x.key] {
			ghost := x
			ghost.uid, ghost.deleted, ghost.sequence = uid, true, x.sequence-1
			r.sink.receive(ghost, r.off)
			x.cursor.AckGhost(x.name(), uid)
		}
		r.sink.receive(x, r.off)
		if x.cursor == r.cursor {
			r.sink.order(x)
		}
		r.delivered = append(r.delivered, x)
	default:
		for _, x := range r.delivered {
			x.cursor.Ack(x.sequence, x.name(), x.version(), x.deleted)
		}
		r.batch = nil
	}
}

// routeStream is one watch, for all routes that are in step.
type routeStream struct {
	routes   map[*route]bool
	last, at int // last is -1 if a snapshot is needed
	listing  bool
	page     []routed
}

func (s *routeStream) sorted() []*route {
	return slices.SortedFunc(maps.Keys(s.routes), func(a, b *route) int { return strings.Compare(a.id.Route, b.id.Route) })
}

func positionOf(c *Cursor) int {
	if n, err := strconv.Atoi(c.Last()); err == nil {
		return n
	}
	return -1
}

// letGo has a route read for itself.
func (s *routeStream) letGo(r *route, frame int) {
	r.leave()
	switch {
	case s.listing && r.off == ownSnapshot:
		r.cursor.snapshotting, r.cursor.last = false, strconv.Itoa(s.at)
	case !s.listing && r.off == position:
		r.cursor.Seen(strconv.Itoa(frame))
	}
}

// admit reports whether all routes have room, or could be let go of.
func (s *routeStream) admit(key string, frame int) bool {
	for _, r := range s.sorted() {
		if frame > 0 && r.off != skips && positionOf(r.cursor) >= frame || !r.full(key) {
			continue
		}
		if len(s.routes) == 1 {
			return false
		}
		s.letGo(r, frame)
	}
	return true
}

func (s *routeStream) step(h *routesHistory) {
	srv := h.server
	switch {
	case !s.listing && (s.last < 0 || s.last < srv.compacted):
		s.listing, s.at, s.page = true, srv.rv, nil
		for _, key := range slices.Sorted(maps.Keys(srv.objects)) {
			s.page = append(s.page, srv.objects[key])
		}
		h.r.Shuffle(len(s.page), func(i, j int) { s.page[i], s.page[j] = s.page[j], s.page[i] })
		for r := range s.routes {
			r.cursor.Distrust()
			r.cursor.BeginSnapshot()
		}
	case s.listing && len(s.page) > 0:
		if !s.admit(s.page[0].key, 0) {
			return
		}
		var like *Observation
		for _, r := range s.sorted() {
			like = r.observe(s.page[0], true, like)
		}
		s.page = s.page[1:]
	case s.listing:
		for _, r := range s.sorted() {
			r.sweep(s.at)
		}
		s.listing, s.last = false, s.at
	default:
		s.frame(h)
	}
}

func (s *routeStream) frame(h *routesHistory) {
	for _, x := range h.server.log {
		if x.rv <= s.last {
			continue
		}
		if !s.admit(x.key, x.rv) {
			return
		}
		var like *Observation
		for _, r := range s.sorted() {
			if h.off != skips && x.rv <= positionOf(r.cursor) {
				continue
			}
			if len(s.routes) > 1 && h.r.Float64() < 0.05 && strings.Contains(r.selection, x.colour) {
				// It is found out to be full when the change is offered.
				r.cursor.Observe(x.name(), x.version(), x.deleted, false, like)
				s.letGo(r, x.rv)
				continue
			}
			like = r.observe(x, false, like)
			r.cursor.Seen(strconv.Itoa(x.rv))
		}
		s.last = x.rv
		return
	}
	if h.r.Float64() < 0.3 {
		s.last = h.server.rv
		for r := range s.routes {
			r.cursor.Seen(strconv.Itoa(s.last))
			r.cursor.CaughtUp()
		}
	}
}
