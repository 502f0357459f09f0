package ledger

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// stored is a ledger on a store, without Run: the test commits.
type stored struct {
	*testing.T
	store  *memStore
	ledger *Ledger
	logs   []string
}

func newStored(t *testing.T) *stored {
	s := &stored{T: t, store: newMemStore()}
	s.open()
	return s
}

// open is a new process.
func (s *stored) open() {
	s.Helper()
	l, err := Open(s.Context(), Options{Store: s.store, Retention: time.Hour, Log: logTo(&s.logs)})
	if err != nil {
		s.Fatal(err)
	}
	s.ledger = l
}

func (s *stored) commit(all bool) {
	s.Helper()
	if err := s.ledger.writer.commit(s.Context(), all); err != nil {
		s.Fatal(err)
	}
}

// stop is the end of a process in good order, and open.
func (s *stored) stop() {
	s.Helper()
	for _, c := range s.ledger.all() {
		c.close()
	}
	s.commit(true)
	s.open()
}

func (s *stored) claim(uid, digest string, others ...string) (c *Cursor, former []string) {
	c, f := s.ledger.claimAs(StreamID{Cluster: "a", ClusterUID: uid, Resource: "pods"}, digest, others...)
	for _, o := range f {
		former = append(former, o.ID().ClusterUID)
	}
	return c, former
}

// hand takes a change through Observe, begin and Ack.
func (s *stored) hand(c *Cursor, i int, v Version, deleted, snapshot bool) {
	s.Helper()
	sequence, verdict := c.observe(pod(i), v, deleted, snapshot)
	if verdict != Deliver {
		s.Fatalf("%v: verdict %v", v, verdict)
	}
	c.begin(sequence, pod(i), v, deleted)
	c.Ack(sequence, pod(i), v, deleted)
}

// fill takes the cursor through a snapshot of two objects at version 20.
func (s *stored) fill(c *Cursor) {
	s.Helper()
	c.BeginSnapshot()
	s.hand(c, 1, at(uid3, 11), false, true)
	s.hand(c, 2, at(uuid(2), 12), false, true)
	endSnapshot(c, "20")
	c.Seen("20")
}

func (s *stored) wantKnown(c *Cursor, resume string, known int) {
	s.Helper()
	if got := c.Stats(); c.ResumePoint() != resume || got.Known != known {
		s.Errorf("resume point %q, %d known; want %q, %d", c.ResumePoint(), got.Known, resume, known)
	}
}

func TestAnotherClusterUnderTheName(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid 1", "digest")
	s.fill(old)
	s.commit(true)

	c, former := s.claim("uid 2", "digest")
	if !slices.Equal(former, []string{"uid 1"}) {
		t.Fatalf("former %q", former)
	}
	s.wantKnown(c, "", 0)
	s.commit(true)
	s.open() // killed before the deletions were delivered
	s.ledger.Join("a")
	if c, former = s.claim("uid 2", "digest"); !slices.Equal(former, []string{"uid 1"}) {
		t.Fatalf("after a restart: former %q", former)
	}
	c, f := s.ledger.claimAs(c.ID(), "digest")
	f[0].BeginSnapshot()
	var gone []string
	for _, d := range endSnapshot(f[0], "1") {
		gone = append(gone, d.Version.UID)
		f[0].begin(d.Sequence, d.Name, d.Version, true)
		f[0].Ack(d.Sequence, d.Name, d.Version, true)
	}
	if slices.Sort(gone); !slices.Equal(gone, []string{uuid(2), uid3}) {
		t.Errorf("tombstones of %q", gone)
	}
	s.ledger.Drop(f[0].ID())
	s.ledger.Drop(f[0].ID()) // twice does no harm
	s.fill(c)
	s.commit(true)
	s.open()
	s.ledger.Join("a")
	c, former = s.claim("uid 2", "digest")
	if s.wantKnown(c, "20", 2); former != nil || s.store.cursors() != 1 {
		t.Errorf("former %q, %d cursors stored", former, s.store.cursors())
	}
}

// A cursor that is dropped and claimed again at once is another one, in one
// transaction or in two, and also if the first of them fails.
func TestDropAndClaimAgain(t *testing.T) {
	for _, between := range []string{"nothing", "a transaction", "a failure"} {
		s := newStored(t)
		c, _ := s.claim("uid", "")
		s.fill(c)
		s.commit(true)
		s.ledger.Drop(c.ID())
		switch between {
		case "a transaction":
			s.commit(false)
		case "a failure":
			s.store.failing = true
			if err := s.ledger.writer.commit(t.Context(), true); err == nil {
				t.Fatal("no failure")
			}
			s.store.failing = false
		}
		c, _ = s.claim("uid", "")
		s.wantKnown(c, "", 0)
		c.BeginSnapshot()
		s.hand(c, 3, at(uuid(3), 30), false, true)
		endSnapshot(c, "31")
		c.Seen("31")
		s.commit(true)
		s.open()
		c, _ = s.claim("uid", "")
		if s.wantKnown(c, "31", 1); s.store.cursors() != 1 {
			t.Errorf("with %s between: %d cursors stored", between, s.store.cursors())
		}
	}
}

// A first head that comes with a note says nothing of a resume point: the acks
// that belong to it are not stored.
func TestNoteOfANewCursorBringsNoResumePoint(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	sequence, _ := c.observe(pod(3), at(uuid(3), 21), false, false)
	c.begin(sequence, pod(3), at(uuid(3), 21), false)
	s.commit(false)
	s.open()
	c, _ = s.claim("uid", "")
	s.wantKnown(c, "", 3)
}

// The state that was acked comes back with a backup, but a sink may hold more.
func TestRestoredToTheAckedState(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	s.commit(true)
	sequence, _ := c.observe(pod(2), at(uuid(5), 30), false, false) // made again
	c.begin(sequence, pod(2), at(uuid(5), 30), false)
	s.commit(false)
	s.open() // killed with that delivered
	c, _ = s.claim("uid", "")
	c.BeginSnapshot()
	sequence, verdict := c.observe(pod(2), at(uuid(2), 12), false, true)
	if verdict != Deliver {
		t.Fatalf("verdict %v, want Deliver", verdict)
	}
	if ghosts, known, _, _ := c.begin(sequence, pod(2), at(uuid(2), 12), false); !slices.Equal(ghosts, []string{uuid(5)}) || !known {
		t.Errorf("others %q, known %v", ghosts, known)
	}
}

// etcd is restored from a backup while the process lives: numbers that were
// used are used again.
func TestRestoredBackwards(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	for i := range 10 {
		s.hand(c, 2, at(uuid(2), 31+i), false, false)
		c.Seen(at("", 31+i).ResourceVersion)
	}
	// A worker holds a deletion, and one is remembered.
	s.hand(c, 1, at(uid3, 41), true, false)
	c.Seen("41")
	slow, _ := c.observe(pod(2), at(uuid(2), 42), true, false)
	c.begin(slow, pod(2), at(uuid(2), 42), true)
	c.Seen("42")
	s.commit(true)

	c.BeginSnapshot() // at version 30, without pod 2
	sequence, verdict := c.observe(pod(1), at(uid3, 11), false, true)
	if verdict != Deliver {
		t.Fatalf("an object that is back: verdict %v", verdict)
	}
	if d := endSnapshot(c, "30"); len(d) != 0 {
		t.Errorf("tombstones %v: its deletion is on its way", d)
	}
	if c.ResumePoint() != "" {
		t.Errorf("resume point %s is of a history that was undone", c.ResumePoint())
	}
	c.Seen("30")
	c.begin(sequence, pod(1), at(uid3, 11), false)
	c.Ack(sequence, pod(1), at(uid3, 11), false)
	if c.ResumePoint() != "" {
		t.Errorf("resume point %s while a change from before is not acked", c.ResumePoint())
	}
	c.Ack(slow, pod(2), at(uuid(2), 42), true)
	if c.ResumePoint() != "30" {
		t.Errorf("resume point %s, want 30", c.ResumePoint())
	}
	for i, v := range []Version{at(uid3, 31), at(uuid(7), 32)} { // below 41 and 42
		if _, verdict := c.observe(pod(i+1), v, false, false); verdict != Deliver {
			t.Errorf("%v in the new history: verdict %v", v, verdict)
		}
	}
}

func TestNamesOfAnyKindComeBack(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	names := []Name{
		{}, {"", "a"}, {"a", ""}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"a\x00b", "c"}, {"a", "b\x00c"}, {"\x00", "\x00"},
		{strings.Repeat("n", 127), "x"}, {strings.Repeat("n", 128), "x"}, {"\x01n", "x"}, {strings.Repeat("n", 253), strings.Repeat("x", 253)},
	}
	c.BeginSnapshot()
	for i, n := range names {
		v := at(uuid(i), i+1)
		sequence, _ := c.observe(n, v, false, true)
		c.begin(sequence, n, v, false)
		c.Ack(sequence, n, v, false)
	}
	endSnapshot(c, "50")
	c.Seen("50")
	s.commit(true)
	s.open()
	c, _ = s.claim("uid", "")
	s.wantKnown(c, "50", len(names))
	c.BeginSnapshot()
	for i, n := range names[1:] {
		if _, got := c.observe(n, at(uuid(i+1), i+2), false, true); got != Duplicate {
			t.Errorf("%q: verdict %v", n, got)
		}
	}
	if d := endSnapshot(c, "60"); len(d) != 1 || d[0].Name != names[0] || d[0].Version.UID != uuid(0) {
		t.Errorf("tombstones %v, want one of the object without a name", d)
	}
}

func TestOpenRefusesWhatCannotHaveBeenWritten(t *testing.T) {
	for what, spoil := range map[string]func(m *memStore, cursor string){
		"no head":              func(m *memStore, c string) { m.heads[c] = nil },
		"a head without a sum": func(m *memStore, c string) { m.heads[c] = []byte(`{"id":{"cluster":"a"}}`) },
		"a digit changed":      func(m *memStore, c string) { m.heads[c][len(m.heads[c])-6] ^= 1 },
		"a head that is no object": func(m *memStore, c string) {
			m.heads[c] = []byte("[]")
			sum := checksum(c, m.heads[c])
			m.heads[c] = append(m.heads[c], byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
		},
		"one cursor twice": func(m *memStore, c string) {
			h, err := decodeHead(c, m.heads[c])
			if err != nil {
				t.Fatal(err)
			}
			m.heads["other"] = h.encode("other")
		},
		"a head in another's place": func(m *memStore, c string) { m.heads["other"] = m.heads[c] },
		"a record changed":          func(m *memStore, c string) { m.records[c][string(nameOf("x"))] = []byte("junk, junk") },
		"a record under another name": func(m *memStore, c string) {
			for _, v := range m.records[c] {
				m.records[c][string(nameOf("y"))] = v
			}
		},
		"a key that is no name": func(m *memStore, c string) { m.records[c]["\x09a"] = nil },
	} {
		s := newStored(t)
		c, _ := s.claim("uid", "")
		s.fill(c)
		s.commit(true)
		spoil(s.store, c.key)
		if _, err := Open(t.Context(), Options{Store: s.store}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", what, err)
		}
	}
}
