package ledger

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A history is a random interleaving of server writes, watch steps, snapshots,
// worker steps, compactions, interruptions, restarts, backups that are restored
// and clusters that take the place of others. At its end the sink must equal
// the server, every UID the sink ever saw must be alive or deleted, and no
// object may have gone backwards.
//
// Everything but the ledger is a small model: the servers with their event
// logs, the queues with one waiting and one working item per object, the sinks.

type state struct {
	uid string
	rv  int
}

type logged struct {
	rv      int
	deleted bool
	name    string
	uid     string
	shown   int // version in the frame: of a deletion perhaps the object's last
}

type server struct {
	rv, compacted int
	objects       map[string]state
	log           []logged
	uids          *int // of all servers
	used          map[state]bool
	past          int // backups restored, servers before
	backup        *server
	odd           bool   // is no kube-apiserver: deletions may have no version of their own
	names         string // of the objects that are written; empty: of all
}

func newServer(rv int, odd bool) *server {
	return &server{rv: rv, compacted: rv, odd: odd, objects: map[string]state{}, uids: new(int), used: map[state]bool{}}
}

func (s *server) copy() *server {
	c := *s
	c.objects, c.log = maps.Clone(s.objects), slices.Clone(s.log)
	return &c
}

// restore takes the server back to its backup: versions go backwards, and the
// same ones are used again for other things.
func (s *server) restore() {
	past := s.past + 1
	*s = *s.backup.copy()
	s.past, s.compacted = past, s.rv
}

// replace makes another server of it, at the same address.
func (s *server) replace(rv int) {
	*s = server{rv: rv, compacted: rv, odd: s.odd, objects: map[string]state{}, uids: s.uids, used: s.used, past: s.past + 1}
}

func (s *server) write(r source) { s.writeOr(r, 0.4) }

// writeOr deletes that share of the objects that there are.
func (s *server) writeOr(r source, deletes float64) {
	names := cmp.Or(s.names, "abcdef")
	name := string(names[r.IntN(len(names))])
	s.rv++
	o, ok := s.objects[name]
	if ok && r.Float64() < deletes {
		delete(s.objects, name)
		shown := s.rv
		if s.odd && r.Float64() < 0.5 {
			shown = o.rv
		}
		s.log = append(s.log, logged{s.rv, true, name, o.uid, shown})
		return
	}
	if !ok {
		*s.uids++
		o.uid = fmt.Sprintf("00000000-0000-0000-0000-%012x", *s.uids)
		if *s.uids%5 == 0 {
			o.uid = fmt.Sprintf("odd-%d", *s.uids)
		}
	}
	// An object that comes to the same version twice is in the same state, as
	// far as anybody can tell: this server sees to it that it is.
	for o.rv = s.rv; s.used[o]; o.rv = s.rv {
		s.rv++
	}
	s.used[o] = true
	s.objects[name] = o
	s.log = append(s.log, logged{s.rv, false, name, o.uid, s.rv})
}

type item struct {
	deleted  bool
	name     string
	uid      string
	rv       int
	sequence uint64
	// generation is that of the ids of what is delivered.
	generation uint32
	cursor     *Cursor
	past       int  // of the server, when it was observed
	again      bool // was delivered before and is retried
}

// age orders versions of all histories.
func (i item) age() int { return i.past*1_000_000 + i.rv }

// ageOf splits what age returns.
func ageOf(age int) (past, rv int) { return age / 1_000_000, age % 1_000_000 }

func (i item) id() (Name, Version) { return Name{"ns", i.name}, Version{i.uid, strconv.Itoa(i.rv)} }

// sink holds what it was told last. unique is what it holds if it drops for ever what has
// an id that it had before, ordered what it holds if it drops what has a sequence below
// one that it had of the same object.
type sink struct {
	objects    map[string]state
	unique     map[string]state
	ordered    map[string]state
	ids        map[string]bool
	numbers    map[string]uint64
	past       map[string]int // of the server from which the newest state is
	cleared    map[string]int // by name: the age of the change before which another UID was deleted, until one is accepted
	seen, gone map[string]bool
	newest     map[string]int
	buried     map[string]int // UIDs that this run said to be gone, with the past of the server
	backwards  int
	// revived: a backup has brought back what the sink was told to be gone, and that was
	// forgotten, or is not stored. Until the snapshot is over nothing tells that from what is new, so it has
	// the id that it had, and a sink that drops repeats drops it. That is for the audit.
	revived bool
}

func newSink() *sink {
	return &sink{
		objects: map[string]state{}, unique: map[string]state{}, ordered: map[string]state{}, ids: map[string]bool{}, numbers: map[string]uint64{},
		past: map[string]int{}, cleared: map[string]int{}, seen: map[string]bool{}, gone: map[string]bool{}, newest: map[string]int{}, buried: map[string]int{},
	}
}

// identify has the sinks that tell by id and by sequence take a change.
func (s *sink) identify(i item) {
	set := func(states map[string]state) {
		if !i.deleted {
			states[i.name] = state{i.uid, i.rv}
		} else {
			delete(states, i.name) // whatever UID that has
		}
	}
	if i.sequence >= s.numbers[i.name] {
		s.numbers[i.name] = i.sequence
		set(s.ordered)
	}
	if id := fmt.Sprint(i.uid, "/", i.rv, "/", i.deleted, "/", i.generation); !s.ids[id] {
		s.ids[id] = true
		set(s.unique)
	}
}

// states are all that it holds, in its several ways.
func (s *sink) states() []map[string]state {
	return []map[string]state{s.objects, s.unique, s.ordered}
}

// bury is told that a UID is gone whose name a change takes, which comes next.
func (s *sink) bury(i item, ghost string) {
	s.gone[ghost], s.buried[ghost], s.cleared[i.name] = true, i.past, i.age()
	i.uid, i.deleted, i.sequence = ghost, true, i.sequence-1
	s.identify(i)
	delete(s.objects, i.name) // whatever UID that has
}

func (s *sink) deliver(i item) {
	s.identify(i)
	s.past[i.name] = i.past
	delete(s.cleared, i.name)
	if i.deleted {
		delete(s.objects, i.name)
		s.gone[i.uid], s.buried[i.uid] = true, i.past
	} else {
		if past, ok := s.buried[i.uid]; ok && past == i.past {
			s.backwards++
		}
		s.objects[i.name] = state{i.uid, i.rv}
		s.seen[i.uid] = true
	}
	if i.again && i.deleted {
		return // of a UID that has been gone for long, perhaps
	}
	if i.age() < s.newest[i.name] {
		s.backwards++
	}
	s.newest[i.name] = i.age()
}

// stream walks the server and feeds the queue. An item is observed in one step
// and offered in the next, so that workers run between.
type stream struct {
	cursor   *Cursor
	former   []*Cursor
	started  bool
	snapshot bool
	page     []item
	at       int
	last     int
	position int    // of the watch in the server's log; behind last after a deletion with an old version
	offering []item // observed, not in the queue yet
	then     int    // version to call Seen with once they are; 0 for none

	next func() (Tombstone, bool) // of a sweep that is under way; nil: none is
	stop func()
}

func (s *stream) step(h *lane) {
	if len(s.offering) > 0 {
		h.offer(s.offering[0])
		s.offering = s.offering[1:]
	}
	if len(s.offering) > 0 {
		return
	}
	if s.next != nil && !s.tombstones(h) {
		return
	}
	if s.then > 0 {
		s.cursor.Seen(strconv.Itoa(s.then))
		s.last, s.then, s.snapshot = max(s.then, s.last), 0, false
		return
	}
	srv := h.server
	switch {
	case len(s.former) > 0:
		s.clear(h)
	case !s.started:
		s.started = true
		if rv, ok := s.cursor.Start(); ok {
			n, err := strconv.Atoi(rv)
			if err != nil {
				h.t.Fatal(err)
			}
			if s.last, s.position = n, n; srv.compacted <= n && n <= srv.rv {
				return
			}
		}
		s.beginSnapshot(h)
	case s.snapshot && len(s.page) > 0:
		s.observe(h, s.page[0], true)
		s.cursor.Seen(strconv.Itoa(s.page[0].rv)) // says nothing within a snapshot
		s.page = s.page[1:]
	case s.snapshot:
		s.last, s.position = 0, s.at
		if h.steps {
			s.next, s.stop = iter.Pull(s.cursor.EndSnapshot(strconv.Itoa(s.at)))
			return
		}
		for d := range s.cursor.EndSnapshot(strconv.Itoa(s.at)) {
			s.tombstone(h, s.cursor, d, srv.past)
		}
		s.then, h.swept = s.at, true
	case s.last < srv.compacted || s.last > srv.rv:
		s.beginSnapshot(h)
	case s.cursor.Partial() && (h.settling || h.r.Float64() < 0.05):
		s.beginSnapshot(h)
	case s.cursor.needsSnapshot && (h.settling || h.r.Float64() < 0.2): // a letter asks for it
		s.beginSnapshot(h)
	default:
		for _, e := range srv.log {
			if e.rv > s.position {
				s.observe(h, item{deleted: e.deleted, name: e.name, uid: e.uid, rv: e.shown, past: srv.past}, false)
				s.position, s.then = e.rv, e.shown
				return
			}
		}
		if h.r.Float64() < 0.3 {
			s.position, s.then = srv.rv, srv.rv // a bookmark
		}
	}
}

// clear deletes what there was in a former cluster, and then its cursor.
func (s *stream) clear(h *lane) {
	c := s.former[0]
	switch {
	case !s.started:
		s.started = true
		if h.steps {
			s.next, s.stop = iter.Pull(c.Retire())
			return
		}
		for d := range c.Retire() {
			s.tombstone(h, c, d, h.server.past-1)
		}
	case c.Unacked() == 0:
		if n := c.Stats().Known; n != 0 {
			h.t.Errorf("%s: %d objects of a former cluster are left", h.what, n)
		}
		h.ledger.Retired(c, s.cursor)
		s.former, s.started = s.former[1:], false
	}
}

// tombstones takes the next one of a sweep. It reports whether that is over.
func (s *stream) tombstones(h *lane) (over bool) {
	d, ok := s.next()
	switch former := len(s.former) > 0; {
	case ok && former:
		s.tombstone(h, s.former[0], d, h.server.past-1)
	case ok:
		s.tombstone(h, s.cursor, d, h.server.past)
	case former:
		s.next = nil
	default:
		s.then, s.next, h.swept = s.at, nil, true
	}
	return !ok
}

// tombstone adds one to what is to be offered, in the order of names: maps are
// ranged over in none, but a history must be the same again.
func (s *stream) tombstone(h *lane, c *Cursor, d Tombstone, past int) {
	i := item{deleted: true, name: d.Name.Name, uid: d.Version.UID, rv: h.number(d.Version.ResourceVersion), sequence: d.Sequence, generation: d.Generation, cursor: c, past: past}
	i.again = len(s.former) > 0 // versions of several clusters have no order
	at, _ := slices.BinarySearchFunc(s.offering, i, func(a, b item) int { return strings.Compare(a.name, b.name) })
	s.offering = slices.Insert(s.offering, at, i)
}

func (s *stream) beginSnapshot(h *lane) {
	s.cursor.BeginSnapshot()
	s.snapshot, s.at, s.page = true, h.server.rv, nil
	for _, name := range slices.Sorted(maps.Keys(h.server.objects)) {
		o := h.server.objects[name]
		s.page = append(s.page, item{name: name, uid: o.uid, rv: o.rv, past: h.server.past})
	}
	h.r.Shuffle(len(s.page), func(i, j int) { s.page[i], s.page[j] = s.page[j], s.page[i] })
}

func (s *stream) observe(h *lane, i item, snapshot bool) {
	n, v := i.id()
	if name := nameOf(i.name); snapshot && h.sink.gone[i.uid] && s.cursor.pending[name] == nil && s.cursor.acked.get([]byte(name)) == nil && s.cursor.deleted[name] == 0 {
		h.sink.revived = true
	}
	o := s.cursor.Observe(n, v, i.deleted, snapshot, nil)
	if i.sequence, i.generation, i.cursor = o.Sequence, o.Generation, s.cursor; o.Verdict == Deliver {
		s.offering = append(s.offering, i)
	}
}
