package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
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

func (s *server) write(r source) {
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
	again   bool // was delivered before and is retried
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
	if i.again && i.deleted {
		return // of a UID that has been gone for long, perhaps
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

func (s *stream) step(t *testing.T, srv *server, r source, offer func(item)) {
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
			s.offering = append(s.offering, item{true, d.Name.Name, d.Version.UID, s.at, d.Ticket, false})
		}
		s.then = s.at
	case s.last < srv.compacted:
		s.beginSnapshot(srv, r)
	default:
		for _, e := range srv.log {
			if e.rv > s.last {
				s.observe(item{e.deleted, e.name, e.uid, e.rv, 0, false}, false)
				s.then = e.rv
				return
			}
		}
		if r.Float64() < 0.3 {
			s.then = srv.rv // a bookmark
		}
	}
}

func (s *stream) beginSnapshot(srv *server, r source) {
	s.cursor.BeginSnapshot()
	s.snapshot, s.at, s.page = true, srv.rv, nil
	for _, name := range slices.Sorted(maps.Keys(srv.objects)) {
		o := srv.objects[name]
		s.page = append(s.page, item{false, name, o.uid, o.rv, 0, false})
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

func nameOf(s string) name { return name(appendName(nil, Name{"ns", s})) }

// memStore is a store that can fail. A crash leaves what it holds.
type memStore struct {
	heads   map[string][]byte
	records map[string]map[string][]byte
	failing bool
}

func newMemStore() *memStore {
	return &memStore{heads: map[string][]byte{}, records: map[string]map[string][]byte{}}
}

func (m *memStore) Load(_ context.Context, visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	for cursor, h := range m.heads {
		err := visit(cursor, h, func(yield func(k, v []byte) bool) {
			for k, v := range m.records[cursor] {
				if !yield([]byte(k), v) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *memStore) Apply(_ context.Context, updates []Update) error {
	if m.failing {
		return errors.New("no space left on device")
	}
	for _, u := range updates {
		if u.Drop {
			delete(m.heads, u.Cursor)
			delete(m.records, u.Cursor)
			continue
		}
		if u.Head != nil {
			m.heads[u.Cursor] = u.Head
		}
		if m.heads[u.Cursor] == nil {
			return fmt.Errorf("records of %s come before its head", u.Cursor)
		}
		if m.records[u.Cursor] == nil {
			m.records[u.Cursor] = map[string][]byte{}
		}
		for _, r := range u.Records {
			if r.Value == nil {
				delete(m.records[u.Cursor], string(r.Key))
			} else {
				m.records[u.Cursor][string(r.Key)] = r.Value
			}
		}
	}
	return nil
}

// history is one run of everything.
type history struct {
	t      *testing.T
	what   string // to play it again
	r      source
	server *server
	sink   *sink
	store  *memStore

	// The process, gone with a crash.
	ledger  *Ledger
	cursor  *Cursor
	stream  *stream
	waiting map[string]item
	working map[string]*work
	acked   map[string]int // versions acked since all was stored
	retried []*Retried

	stored map[string]int // newest version that was stored as acked
	past   []item         // all that was ever acked
}

// work is an item in a worker. Its steps are: begun, and with that noted; then
// delivered; then acked.
type work struct {
	item
	begun, delivered bool
	ghosts           []string
}

// source decides what happens next: a random generator, or a fuzzer's bytes.
type source interface {
	IntN(n int) int
	Float64() float64
	Shuffle(n int, swap func(i, j int))
}

func newHistory(t *testing.T, what string, r source) *history {
	h := &history{
		t: t, what: what, r: r,
		server: &server{rv: 10, objects: map[string]state{}},
		sink:   &sink{objects: map[string]state{}, seen: map[string]bool{}, gone: map[string]bool{}, newest: map[string]int{}},
		store:  newMemStore(),
		stored: map[string]int{},
	}
	h.restart()
	return h
}

// restart is kill -9 and a new process: only server, sink and store stay.
func (h *history) restart() {
	h.t.Helper()
	l, err := Open(h.t.Context(), Options{Store: h.store})
	if err != nil {
		h.t.Fatal(err)
	}
	l.Join("a")
	h.ledger = l
	h.cursor, _ = l.Claim(StreamID{Cluster: "a", Resource: "configmaps"}, "")
	h.stream = &stream{cursor: h.cursor}
	h.waiting, h.working, h.acked = map[string]item{}, map[string]*work{}, map[string]int{}
	h.retried = nil
	h.sink.newest = maps.Clone(h.stored)
}

func (h *history) commit(all bool) {
	if h.ledger.writer.commit(h.t.Context(), all) == nil && all {
		maps.Copy(h.stored, h.acked)
		h.acked = map[string]int{}
	}
}

func (h *history) offer(i item) { h.waiting[i.name] = i }

// work is one step of one worker.
func (h *history) work() {
	name := string("abcdef"[h.r.IntN(6)])
	w, busy := h.working[name]
	switch {
	case !busy:
		if i, ok := h.waiting[name]; ok {
			delete(h.waiting, name)
			h.working[name] = &work{item: i}
		}
	case !w.begun:
		n, v := w.id()
		w.ghosts, _, _ = h.cursor.begin(w.ticket, n, v, w.deleted)
		w.begun = true
	case !w.delivered:
		if _, unnoted := h.cursor.unnoted[nameOf(name)]; unnoted {
			return // Begin would block
		}
		h.sink.deliver(w.item, w.ghosts)
		w.delivered = true
	case h.r.Float64() < 0.1: // failed: gives way to a newer one
		delete(h.working, name)
		if _, newer := h.waiting[name]; !newer {
			h.waiting[name] = w.item
		}
	default:
		n, v := w.id()
		h.cursor.Ack(w.ticket, n, v, w.deleted)
		delete(h.working, name)
		h.acked[name] = w.rv
		h.past = append(h.past, w.item)
	}
	if resume := h.cursor.ResumePoint(); resume != "" {
		h.checkResume(resume)
	}
}

// retry sends again what sinks accepted before, if the cursor lets it.
func (h *history) retry() {
	if len(h.past) == 0 {
		return
	}
	i := h.past[h.r.IntN(len(h.past))]
	n, v := i.id()
	r, ok := h.cursor.Retry(n, v, i.deleted)
	if !ok {
		return
	}
	if _, waits := h.waiting[i.name]; waits || h.working[i.name] != nil {
		h.t.Fatalf("%s: %s is retried although it is pending", h.what, i.name)
	}
	h.retried = append(h.retried, r)
	if h.r.Float64() < 0.1 {
		h.cursor.Withdraw(n, r)
		return
	}
	i.ticket, i.again = r.Ticket, true
	h.offer(i)
}

// step is one event of the history.
func (h *history) step() {
	switch x := h.r.Float64(); {
	case x < 0.20:
		h.server.write(h.r)
	case x < 0.48:
		h.stream.step(h.t, h.server, h.r, h.offer)
	case x < 0.82:
		h.work()
	case x < 0.87:
		h.commit(false)
	case x < 0.89:
		h.commit(true)
	case x < 0.90:
		h.store.failing = !h.store.failing
	case x < 0.93:
		h.server.compacted += h.r.IntN(h.server.rv - h.server.compacted + 1)
	case x < 0.95:
		h.stream.interrupt()
	case x < 0.97:
		h.restart()
	case x < 0.98: // the cluster leaves the fleet and comes back
		clear(h.waiting)
		clear(h.working)
		h.ledger.Leave("a")
		h.ledger.Join("a")
		h.stream.interrupt()
		h.sink.newest = maps.Clone(h.stored)
		for name, rv := range h.acked {
			h.sink.newest[name] = rv
		}
	case x < 0.99:
		h.server.rv++ // writes to other resources
	default:
		h.retry()
	}
}

// settle lets everything come to rest and compares sink and server.
func (h *history) settle() {
	h.t.Helper()
	h.store.failing = false
	rest := rand.New(rand.NewPCG(1, 1))
	h.r = rest
	for range 3000 {
		h.stream.step(h.t, h.server, rest, h.offer)
		h.work()
		if rest.Float64() < 0.3 {
			h.commit(false)
		}
	}
	h.commit(true)
	h.commit(true) // what the resume point has passed is forgotten once that is stored

	srv, snk := h.server, h.sink
	fail := func(what string) {
		h.t.Errorf("%s: %s\nserver %v\nsink   %v", h.what, what, srv.objects, snk.objects)
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
	for _, r := range h.retried {
		select {
		case <-r.Settled():
		default:
			fail("a retried state never settles")
		}
	}
	if s := h.cursor.Stats(); s.Unacked != 0 || !s.Oldest.IsZero() || s.Known != len(srv.objects) {
		fail(fmt.Sprintf("stats at rest: %+v", s))
	}
	if got, last := h.cursor.ResumePoint(), strconv.Itoa(h.stream.last); got != last {
		fail("resume point " + got + " stays behind the last frame " + last)
	}
	if len(h.cursor.deleted) > 0 && h.cursor.ResumePoint() == strconv.Itoa(srv.rv) {
		fail("deletions remembered for ever")
	}
	// The store says the same as the memory.
	again, err := Open(h.t.Context(), Options{Store: h.store})
	if err != nil {
		h.t.Fatal(err)
	}
	c, _ := again.Claim(h.cursor.ID(), "")
	if c.head.Resume != h.cursor.head.Resume || c.acked.len() != h.cursor.acked.len() || len(c.held) != len(h.cursor.held) || len(c.deleted) != len(h.cursor.deleted) {
		fail("what was stored is not what was known")
	}
}

// checkResume verifies that a watch from the resume point would show every
// object whose newest state the sinks have not acked.
func (h *history) checkResume(resume string) {
	from, err := strconv.Atoi(resume)
	if err != nil {
		h.t.Fatal(err)
	}
	for name, o := range h.server.objects {
		acked := h.cursor.acked.get([]byte(nameOf(name)))
		if o.rv <= from && (acked == nil || int(acked.rv) < o.rv) {
			h.t.Fatalf("%s: resume point %s is past %s at %d, acked %+v", h.what, resume, name, o.rv, acked)
		}
	}
}

func TestRandomHistories(t *testing.T) {
	for seed := range uint64(*seeds) {
		h := newHistory(t, fmt.Sprint("seed ", seed), rand.New(rand.NewPCG(seed, 1)))
		for range 600 {
			h.step()
		}
		if h.settle(); t.Failed() {
			return
		}
	}
}

// script is a source that a fuzzer writes. When it has come to its end, it
// only says zero.
type script []byte

func (s *script) IntN(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

func (s *script) Float64() float64                   { return float64(s.IntN(256)) / 256 }
func (s *script) Shuffle(n int, swap func(i, j int)) { rand.New(rand.NewPCG(1, 1)).Shuffle(n, swap) }

// FuzzHistories lets the fuzzer choose what happens when, with a crash possible
// between any two steps.
func FuzzHistories(f *testing.F) {
	for seed := range byte(8) {
		r := rand.NewChaCha8([32]byte{seed})
		b := make([]byte, 300)
		_, _ = r.Read(b) // never fails
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := script(b)
		h := newHistory(t, "script", &s)
		for len(s) > 0 {
			h.step()
		}
		h.settle()
	})
}
