package ledger

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

var seeds = flag.Int("seeds", 400, "histories to play in TestRandomHistories")

// A history is a random interleaving of server writes, watch steps, snapshots,
// worker steps, compactions, interruptions and restarts. At its end the sink
// must equal the server, every UID the sink ever saw must be alive or deleted,
// and no object may have gone backwards.
//
// Everything but the cursor is a small model: the server with its event log,
// the queue with one waiting and one working item per object, and the sink.

type state struct {
	uid string
	rv  int
}

type logged struct {
	rv      int
	deleted bool
	name    string
	uid     string
}

type server struct {
	rv, uids, compacted int
	objects             map[string]state
	log                 []logged
}

func (s *server) write(r *rand.Rand) {
	name := string("abcdef"[r.IntN(6)])
	s.rv++
	o, ok := s.objects[name]
	if ok && r.Float64() < 0.4 {
		delete(s.objects, name)
		s.log = append(s.log, logged{s.rv, true, name, o.uid})
		return
	}
	if !ok {
		s.uids++
		o.uid = fmt.Sprintf("00000000-0000-0000-0000-%012x", s.uids)
		if s.uids%5 == 0 {
			o.uid = fmt.Sprintf("odd-%d", s.uids)
		}
	}
	o.rv = s.rv
	s.objects[name] = o
	s.log = append(s.log, logged{s.rv, false, name, o.uid})
}

type item struct {
	deleted bool
	name    string
	uid     string
	rv      int
	ticket  uint64
}

func (i item) id() (Name, Version) { return Name{"ns", i.name}, Version{i.uid, strconv.Itoa(i.rv)} }

type sink struct {
	objects    map[string]state
	seen, gone map[string]bool
	newest     map[string]int
	backwards  int
}

func (s *sink) deliver(i item, ghosts []string) {
	for _, g := range ghosts {
		s.gone[g] = true
	}
	if i.deleted {
		delete(s.objects, i.name)
		s.gone[i.uid] = true
	} else {
		s.objects[i.name] = state{i.uid, i.rv}
		s.seen[i.uid] = true
	}
	if i.rv < s.newest[i.name] {
		s.backwards++
	}
	s.newest[i.name] = i.rv
}

// stream walks the server and feeds the queue. An item is observed in one step
// and offered in the next, so that workers run between.
type stream struct {
	cursor   *Cursor
	started  bool
	snapshot bool
	page     []item
	at       int
	last     int
	offering []item // observed, not in the queue yet
	then     int    // version to call Seen with once they are; 0 for none
}

func (s *stream) step(t *testing.T, srv *server, r *rand.Rand, offer func(item)) {
	if len(s.offering) > 0 {
		offer(s.offering[0])
		s.offering = s.offering[1:]
	}
	if len(s.offering) > 0 {
		return
	}
	if s.then > 0 {
		s.cursor.Seen(strconv.Itoa(s.then))
		s.last, s.then, s.snapshot = s.then, 0, false
		return
	}
	switch {
	case !s.started:
		s.started = true
		if rv, ok := s.cursor.Start(); ok {
			n, err := strconv.Atoi(rv)
			if err != nil {
				t.Fatal(err)
			}
			if s.last = n; n >= srv.compacted {
				return
			}
		}
		s.beginSnapshot(srv, r)
	case s.snapshot && len(s.page) > 0:
		s.observe(s.page[0], true)
		s.cursor.Seen(strconv.Itoa(s.page[0].rv)) // says nothing within a snapshot
		s.page = s.page[1:]
	case s.snapshot:
		for _, d := range s.cursor.EndSnapshot(strconv.Itoa(s.at)) {
			s.offering = append(s.offering, item{true, d.Name.Name, d.Version.UID, s.at, d.Ticket})
		}
		s.then = s.at
	case s.last < srv.compacted:
		s.beginSnapshot(srv, r)
	default:
		for _, e := range srv.log {
			if e.rv > s.last {
				s.observe(item{e.deleted, e.name, e.uid, e.rv, 0}, false)
				s.then = e.rv
				return
			}
		}
		if r.Float64() < 0.3 {
			s.then = srv.rv // a bookmark
		}
	}
}

func (s *stream) beginSnapshot(srv *server, r *rand.Rand) {
	s.cursor.BeginSnapshot()
	s.snapshot, s.at, s.page = true, srv.rv, nil
	for _, name := range slices.Sorted(maps.Keys(srv.objects)) {
		o := srv.objects[name]
		s.page = append(s.page, item{false, name, o.uid, o.rv, 0})
	}
	r.Shuffle(len(s.page), func(i, j int) { s.page[i], s.page[j] = s.page[j], s.page[i] })
}

func (s *stream) observe(i item, snapshot bool) {
	n, v := i.id()
	ticket, verdict := s.cursor.Observe(n, v, i.deleted, snapshot)
	if i.ticket = ticket; verdict == Deliver {
		s.offering = append(s.offering, i)
	}
}

// interrupt ends the stream's run without a restart of the process.
func (s *stream) interrupt() { *s = stream{cursor: s.cursor} }

func play(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	srv := &server{rv: 10, objects: map[string]state{}}
	snk := &sink{objects: map[string]state{}, seen: map[string]bool{}, gone: map[string]bool{}, newest: map[string]int{}}
	cursor := newCursor()
	str := &stream{cursor: cursor}
	waiting, working := map[string]item{}, map[string]item{}
	begun := map[string]bool{}
	stored := map[string]int{} // newest version acked
	offer := func(i item) { waiting[i.name] = i }

	work := func() {
		name := string("abcdef"[r.IntN(6)])
		i, busy := working[name]
		switch {
		case !busy:
			if i, ok := waiting[name]; ok {
				delete(waiting, name)
				working[name], begun[name] = i, false
			}
		case !begun[name]:
			n, v := i.id()
			ghosts, _, err := cursor.Begin(t.Context(), i.ticket, n, v, i.deleted)
			if err != nil {
				t.Fatal(err)
			}
			snk.deliver(i, ghosts)
			begun[name] = true
		case r.Float64() < 0.1: // failed: gives way to a newer one
			delete(working, name)
			if _, newer := waiting[name]; !newer {
				waiting[name] = i
			}
		default:
			n, v := i.id()
			cursor.Ack(i.ticket, n, v, i.deleted)
			delete(working, name)
			stored[name] = i.rv
		}
		if resume := cursor.ResumePoint(); resume != "" {
			checkResume(t, seed, srv, snk, cursor, resume)
		}
	}
	for range 600 {
		switch x := r.Float64(); {
		case x < 0.20:
			srv.write(r)
		case x < 0.50:
			str.step(t, srv, r, offer)
		case x < 0.90:
			work()
		case x < 0.93:
			srv.compacted += r.IntN(srv.rv - srv.compacted + 1)
		case x < 0.96:
			str.interrupt()
		case x < 0.98: // a restart: what was acked was stored, the rest is gone
			clear(waiting)
			clear(working)
			cursor.Rewind()
			str.interrupt()
			snk.newest = maps.Clone(stored)
		default:
			srv.rv++ // writes to other resources
		}
	}
	for range 3000 {
		str.step(t, srv, r, offer)
		work()
	}
	fail := func(what string) {
		t.Errorf("seed %d: %s\nserver %v\nsink   %v", seed, what, srv.objects, snk.objects)
	}
	if !maps.Equal(srv.objects, snk.objects) {
		fail("wrong final state")
	}
	alive := map[string]bool{}
	for _, o := range srv.objects {
		alive[o.uid] = true
	}
	for u := range snk.seen {
		if !alive[u] && !snk.gone[u] {
			fail("UID never deleted: " + u)
		}
	}
	if snk.backwards > 0 {
		fail(fmt.Sprintf("%d deliveries went backwards", snk.backwards))
	}
	if s := cursor.Stats(); s.Unacked != 0 || !s.Oldest.IsZero() || s.Known != len(srv.objects) {
		fail(fmt.Sprintf("stats at rest: %+v", s))
	}
	if got, last := cursor.ResumePoint(), strconv.Itoa(str.last); got != last {
		fail("resume point " + got + " stays behind the last frame " + last)
	}
	if len(cursor.deleted) > 0 && cursor.ResumePoint() == strconv.Itoa(srv.rv) {
		fail("deletions remembered for ever")
	}
}

// checkResume verifies that a watch from the resume point would show every
// object whose newest state the sinks have not acked.
func checkResume(t *testing.T, seed uint64, srv *server, snk *sink, c *Cursor, resume string) {
	from, err := strconv.Atoi(resume)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range srv.objects {
		acked, ok := c.acked[c.nameLocked(Name{"ns", name})]
		if o.rv <= from && (!ok || int(acked.rv) < o.rv) {
			t.Fatalf("seed %d: resume point %s is past %s at %d, acked %v %d", seed, resume, name, o.rv, ok, acked.rv)
		}
	}
}

func TestRandomHistories(t *testing.T) {
	for seed := range uint64(*seeds) {
		if play(t, seed); t.Failed() {
			return
		}
	}
}
