package ledger

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

var routeSeeds = flag.Int("route-seeds", 100, "histories to play in TestRoutes for each rule")

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

	ordered = "a deletion without a version of its own is skipped by nobody, and joined by nobody"
	anew    = "another selection begins with a snapshot"

	killed  = "a kill raises the generation in ids"
	first   = "the generation is stored before it is used"
	deleted = "what another selection may have deleted is due"
)

// whole are the rules without which everything happens that does with all of them.
var whole = []string{"", toldAnew, anew, killed, first, deleted}

// routed is a state of an object on its way to a sink.
type routed struct {
	key, uid, colour string
	rv               int
	at               int // its place in the log; rv may be older, of a deletion
	deleted, listed  bool
	again            bool // was refused for good, and is sent again
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
	odd                 bool   // is no kube-apiserver: deletions may have no version of their own
	keys                string // of the objects that are written; empty: of all
	objects             map[string]routed
	log                 []routed
}

func (s *routeServer) write(r *rand.Rand) {
	keys := cmp.Or(s.keys, "abcdef")
	key := string(keys[r.IntN(len(keys))])
	s.rv++
	o, ok := s.objects[key]
	if ok && r.Float64() < 0.35 {
		delete(s.objects, key)
		if o.deleted, o.at = true, s.rv; !s.odd || r.IntN(2) == 0 {
			o.rv = s.rv
		}
		s.log = append(s.log, o)
		return
	}
	if !ok {
		s.uids++
		o = routed{key: key, uid: uuid(s.uids), colour: string("rb"[r.IntN(2)])}
	} else if r.Float64() < 0.3 {
		o.colour = string("rb"[r.IntN(2)])
	}
	o.rv, o.at = s.rv, s.rv
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
		if !x.again || s.replayed[x.key] < x.replays {
			s.replayed[x.key] = x.replays
		}
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
	framed    bool // its position is the version of a frame that it has seen, not of a bookmark or a list
	out       bool
	parting   *parting // nil: no leave is taken

	putAway           []routeLetter // outlive the process
	late              []routed      // sent again, and not handed over yet
	refused, asGhosts int           // letters so far, and those that were sent as ghosts
}

const laneOf = 3

func (r *route) full(key string) bool {
	_, waits := r.lane[key]
	return len(r.lane) >= laneOf && !waits
}

// claim gives the route a handle, of a new owner.
func (r *route) claim() {
	r.leave()
	var was cursor
	if c := r.ledger.cursors[r.id]; c != nil {
		was.head, was.last, was.due, was.dueSince = c.head, c.last, c.due, c.dueSince
	}
	r.cursor, _ = r.ledger.Claim(Claiming{ID: r.id, Selection: Selection{Labels: r.selection}})
	r.switchOff(&was)
	if r.forgets {
		r.cursor.remembers = 1
	}
	clear(r.sink.newest)
	r.framed = false
	r.cursor.SetForm("whole")
}

// switchOff undoes what a rule has changed of a cursor when it was claimed.
func (r *route) switchOff(was *cursor) {
	c := r.cursor
	switch r.off {
	case generation:
		if c.head.Generation > 0 {
			c.head.Generation, c.reobserved = 0, nil
		}
	case anew:
		if c.needsSnapshot && was.last != "" {
			c.needsSnapshot, c.last, c.head.Resume = false, was.head.Resume, was.head.Resume
		}
	case first:
		c.headFirst, c.numbers.since, c.numbers.least = false, 0, 0
	case deleted:
		c.head.Due, c.due, c.dueSince = was.head.Due, max(was.due, 1), was.dueSince
	}
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
	if !strings.Contains(r.selection, x.colour) {
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
	r.framed = false
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
			ghosts, _, unstored, superseded := x.cursor.begin(x.sequence, x.name(), x.version(), x.deleted)
			if superseded && r.off != refuses {
				continue
			}
			if unstored {
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
			if !r.rejoins || x.cursor == r.cursor { // else it has no lane any more
				r.offer(x)
			}
			return
		}
		for _, uid := range r.ghosts[x.key] {
			ghost := x
			ghost.uid, ghost.deleted, ghost.sequence = uid, true, x.sequence-1
			r.tell(ghost)
			x.cursor.AckGhost(x.name(), uid)
		}
		// A deletion with an old version may come again to who has taken a snapshot since.
		odd := x.deleted && (x.at > x.rv || x.again)
		if r.tell(x) && x.cursor == r.cursor && !odd {
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
