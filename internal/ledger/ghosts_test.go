package ledger

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// recreated is one name, of an object that is deleted and created again while the sink
// refuses everything.
type recreated struct {
	*stored
	cursor   *Cursor
	rv       int
	now      Version
	sequence uint64          // of now
	handed   map[string]bool // UIDs that the sink may hold
	work     int             // deletions that were handed over in vain
}

func newRecreated(t *testing.T) *recreated {
	r := &recreated{stored: newStored(t), rv: 10, handed: map[string]bool{}}
	r.connect()
	return r
}

// connect begins with a snapshot.
func (r *recreated) connect() {
	r.Helper()
	r.cursor, _ = r.claim("uid", "digest")
	r.cursor.BeginSnapshot()
	if r.now.UID != "" {
		r.sequence, _ = r.cursor.observe(pod(1), r.now, false, true)
	}
	r.rv++
	if gone := endSnapshot(r.cursor, fmt.Sprint(r.rv)); len(gone) > 0 {
		r.Fatalf("tombstones %+v", gone)
	}
	r.cursor.Seen(fmt.Sprint(r.rv))
}

// recreate puts another UID in the place of the object.
func (r *recreated) recreate(i int) {
	r.Helper()
	c := r.cursor
	if r.now.UID != "" {
		r.rv++
		c.observe(pod(1), at(r.now.UID, r.rv), true, false)
		c.Seen(fmt.Sprint(r.rv))
	}
	r.rv++
	r.now = at(uuid(i), r.rv)
	sequence, verdict := c.observe(pod(1), r.now, false, false)
	if verdict != Deliver {
		r.Fatalf("%v: verdict %v", r.now, verdict)
	}
	c.Seen(fmt.Sprint(r.rv))
	r.sequence = sequence
}

// begin is what the stage hands over.
func (r *recreated) begin() (ghosts []string, whole bool) {
	r.Helper()
	ghosts, _, unstored, superseded := r.cursor.begin(r.sequence, pod(1), r.now, false)
	if superseded {
		r.Fatalf("%v is superseded", r.now)
	}
	if unstored {
		r.commit(false)
	}
	if whole = len(ghosts) < GhostsAtOnce; whole {
		r.handed[r.now.UID] = true
	}
	return ghosts, whole
}

// accept has the sink accept everything, and returns the UIDs whose deletions it was told.
func (r *recreated) accept() (told []string) {
	r.Helper()
	for {
		ghosts, whole := r.begin()
		if len(ghosts) > GhostsAtOnce {
			r.Fatalf("%d deletions at once", len(ghosts))
		}
		for _, ghost := range ghosts {
			r.cursor.AckGhost(pod(1), ghost)
		}
		if told = append(told, ghosts...); whole {
			r.cursor.Ack(r.sequence, pod(1), r.now, false)
			return told
		}
	}
}

// check compares what the cursor remembers with the bound.
func (r *recreated) check() {
	r.Helper()
	c, n := r.cursor, nameOfTest(pod(1))
	// A restart takes what was written ahead for what the sink may hold.
	if held := len(c.unackedUIDs[n]); held > GhostsAtOnce+1 {
		r.Fatalf("at version %d %d UIDs are remembered of one name", r.rv, held)
	}
	if size := len(c.encodeLocked(nil, []byte(n), n)); size > 4096 {
		r.Fatalf("at version %d the record takes %d bytes", r.rv, size)
	}
	if u := c.recount(); u != c.usage {
		r.Fatalf("at version %d %+v are counted of %+v", r.rv, c.usage, u)
	}
}

// An object is deleted and created again while the sink refuses everything: neither memory
// nor work grow with that, also over kills. Once the sink accepts, it is told that each UID is
// gone that it may hold.
func TestOneNameIsCreatedAgainWhileASinkRefuses(t *testing.T) {
	r := newRecreated(t)
	const times, lives = 20_000, 8
	for i := range times {
		r.recreate(i)
		ghosts, _ := r.begin() // and the sink refuses that
		r.work += len(ghosts)
		if i < 3*GhostsAtOnce || i%100 == 0 {
			r.check()
		}
		if i%(times/lives) == times/lives-1 {
			r.commit(i%2 == 0)
			r.open()
			r.connect()
			r.check()
		}
	}
	if most := times * GhostsAtOnce; r.work > most {
		t.Errorf("%d deletions were handed over, want %d at most", r.work, most)
	}
	if n := len(r.handed); n < GhostsAtOnce/2 || n > GhostsAtOnce {
		t.Errorf("the sink was given states of %d UIDs", n)
	}
	if r.cursor.usage.Bytes < int64(GhostsAtOnce/2*ghostBytes) {
		t.Errorf("%+v are counted", r.cursor.usage)
	}

	told := r.accept()
	for uid := range r.handed {
		if gone := slices.Contains(told, uid); gone == (uid == r.now.UID) {
			t.Errorf("the sink is told that %s is gone: %v", uid, gone)
		}
	}
	if s, u := r.cursor.Stats(), r.cursor.usage; s.Known != 1 || s.Unacked != 0 || len(r.cursor.unackedUIDs)+len(r.cursor.deleted) > 0 || u.Bytes != SizeOf(pod(1)) {
		t.Errorf("at rest: %+v, %+v", s, u)
	}
	if got := r.cursor.ResumePoint(); got != fmt.Sprint(r.rv) {
		t.Errorf("resume point %q, want %d", got, r.rv)
	}
}

// The sink accepts some deletions, and the process is killed: the next one has the others
// before the state.
func TestADeletionThatIsNotAckedIsToldAgain(t *testing.T) {
	r := newRecreated(t)
	for i := range 2 * GhostsAtOnce {
		r.recreate(i)
		r.begin()
	}
	ghosts, whole := r.begin()
	if len(ghosts) != GhostsAtOnce || whole {
		t.Fatalf("%d deletions, with the state: %v", len(ghosts), whole)
	}
	for _, ghost := range ghosts[:10] {
		r.cursor.AckGhost(pod(1), ghost)
	}
	r.commit(true)
	r.open()
	r.connect()
	if told := r.accept(); !slices.Equal(told, ghosts[10:]) {
		t.Errorf("told %v, want %v", told, ghosts[10:])
	}
}

// heldBack is a cursor on which a state of uid2 waits for the deletion of uid1, which the sink
// has accepted.
func heldBack(t *testing.T) (s *stored, c *Cursor) {
	s = newStored(t)
	c, _ = s.claim("uid", "digest")
	c.BeginSnapshot()
	s.hand(c, 1, at(uid1, 10), false, true)
	endSnapshot(c, "20")
	c.Seen("20")
	s.commit(true)
	c.observe(pod(1), at(uid1, 22), false, false)
	c.Seen("22")
	c.observe(pod(1), at(uid1, 23), true, false)
	c.Seen("23")
	sequence, _ := c.observe(pod(1), at(uid2, 24), false, false)
	c.Seen("24")
	c.ghostsAtOnce = 1
	ghosts, _, unstored, _ := c.begin(sequence, pod(1), at(uid2, 24), false)
	if !slices.Equal(ghosts, []string{uid1}) || !unstored {
		t.Fatalf("ghosts %v, which wait for the store: %v", ghosts, unstored)
	}
	s.commit(false)
	if held := c.unackedUIDs[nameOfTest(pod(1))]; len(held) != 1 || held[0].uid != c.uidLocked(uid1) {
		t.Fatalf("the sink may hold %v", held)
	}
	return s, c
}

// What a sink was told to be gone is not told again from the states before that.
func TestAGhostThatIsToldAloneIsNotRevived(t *testing.T) {
	for name, restart := range map[string]func(*stored, *Cursor) *Cursor{
		"another owner": func(s *stored, c *Cursor) *Cursor {
			c.Release()
			again, _ := s.claim("uid", "digest")
			return again
		},
		"a kill": func(s *stored, _ *Cursor) *Cursor {
			s.commit(true)
			s.open()
			again, _ := s.claim("uid", "digest")
			return again
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := heldBack(t)
			c.AckGhost(pod(1), uid1)
			c = restart(s, c)
			if start, ok := c.Start(); start != "20" || !ok {
				t.Fatalf("the watch goes on from %q, %v", start, ok)
			}
			if _, verdict := c.observe(pod(1), at(uid1, 22), false, false); verdict != Stale {
				t.Errorf("the state before: verdict %v, want Stale", verdict)
			}
			if _, verdict := c.observe(pod(1), at(uid1, 23), true, false); verdict != Stale {
				t.Errorf("its deletion: verdict %v, want Stale", verdict)
			}
			if _, verdict := c.observe(pod(1), at(uid2, 24), false, false); verdict != Deliver {
				t.Errorf("what waited: verdict %v, want Deliver", verdict)
			}
		})
	}
}

// The process is killed before it knows that a deletion was accepted, and a restored backup
// brings back the very state that was acked before.
func TestAGhostThatIsToldAloneIsNoDuplicate(t *testing.T) {
	s, _ := heldBack(t)
	s.open()
	c, _ := s.claim("uid", "digest")
	c.BeginSnapshot()
	if _, verdict := c.observe(pod(1), at(uid1, 10), false, true); verdict != Deliver {
		t.Errorf("verdict %v, want Deliver: the sink may have deleted it", verdict)
	}
}

// A program before this one may have written any number of UIDs.
func TestALedgerWithManyUIDsOfOneName(t *testing.T) {
	r := newRecreated(t)
	r.cursor.ghostsAtOnce = 1 << 20
	var want []string
	for i := range 1000 {
		r.recreate(i)
		r.cursor.begin(r.sequence, pod(1), r.now, false)
		want = append(want, r.now.UID)
	}
	r.commit(true)
	r.open()
	r.connect()
	if u := r.cursor.recount(); u != r.cursor.usage || u.Bytes < 999*ghostBytes {
		t.Errorf("%+v are counted of %+v", r.cursor.usage, u)
	}
	r.recreate(1000)
	if told := r.accept(); !slices.Equal(told, want) {
		t.Errorf("told %d, want %d", len(told), len(want))
	}
}

// Dead letters are not sent again as ghosts without bound.
func TestRetriedGhostsAreBounded(t *testing.T) {
	r := newRecreated(t)
	r.recreate(0)
	r.accept()
	for i := range GhostsAtOnce {
		if _, err := r.cursor.RedeliverGhost(pod(1), uuid(1000+i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.cursor.RedeliverGhost(pod(1), uuid(1000)); err != nil {
		t.Errorf("one that is on its way: %v", err)
	}
	if _, err := r.cursor.RedeliverGhost(pod(1), uuid(2000)); !errors.Is(err, ErrNotNow) {
		t.Errorf("one more: %v, want ErrNotNow", err)
	}
	r.connect()
	if told := r.accept(); len(told) != GhostsAtOnce {
		t.Errorf("%d deletions are told, want %d", len(told), GhostsAtOnce)
	}
	if _, err := r.cursor.RedeliverGhost(pod(1), uuid(2000)); err != nil {
		t.Errorf("once they are told: %v", err)
	}
}

// A restored backup brings the acked UID itself back, and it waits behind its ghosts. The sink may
// have lost it to one of them meanwhile, so it is no duplicate after a kill.
func TestTheAckedUIDThatWaitsBehindItsGhostsIsNoDuplicate(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "digest")
	c.BeginSnapshot()
	s.hand(c, 1, at(uid1, 10), false, true)
	endSnapshot(c, "20")
	c.Seen("20")
	s.commit(true)
	for i := range GhostsAtOnce - 1 {
		v := at(uuid(100+i), 24+2*i)
		sequence, _ := c.observe(pod(1), v, false, false)
		c.begin(sequence, pod(1), v, false)
		s.commit(true)
	}
	c.observe(pod(1), at(uuid(300), 500), false, false) // waits in the queue, and is noted for its turn
	s.commit(true)
	s.open()
	c, _ = s.claim("uid", "digest")
	c.BeginSnapshot()
	sequence, _ := c.observe(pod(1), at(uid1, 10), false, true)
	endSnapshot(c, "15")
	ghosts, _, _, _ := c.begin(sequence, pod(1), at(uid1, 10), false)
	if len(ghosts) != GhostsAtOnce {
		t.Fatalf("%d ghosts", len(ghosts))
	}
	s.commit(true)
	for _, u := range ghosts {
		c.AckGhost(pod(1), u)
	}
	s.commit(true)
	s.open()
	c, _ = s.claim("uid", "digest")
	c.BeginSnapshot()
	if _, got := c.observe(pod(1), at(uid1, 10), false, true); got != Deliver {
		t.Errorf("verdict %v", got)
	}
}

// So is one that waits behind few ghosts, which are told with it: the sink has accepted their
// deletions, and refuses the state.
func TestTheAckedUIDBehindFewGhostsIsNoDuplicate(t *testing.T) {
	for name, deleted := range map[string]bool{"its state": false, "its deletion": true} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			c, _ := s.claim("uid", "digest")
			c.BeginSnapshot()
			s.hand(c, 1, at(uid1, 10), false, true)
			endSnapshot(c, "20")
			c.Seen("20")
			another, _ := c.observe(pod(1), at(uid2, 24), false, false)
			c.begin(another, pod(1), at(uid2, 24), false) // takes the place of uid1 in the sink
			s.commit(true)

			c, _ = s.claim("uid", "digest") // a backup is restored, of before uid2
			c.BeginSnapshot()
			sequence, _ := c.observe(pod(1), at(uid1, 10), false, true)
			endSnapshot(c, "15")
			if deleted {
				c.Seen("15")
				sequence, _ = c.observe(pod(1), at(uid1, 16), true, false)
			}
			ghosts, known, _, _ := c.begin(sequence, pod(1), at(uid1, 10), deleted)
			if !slices.Equal(ghosts, []string{uid2}) || !known {
				t.Fatalf("ghosts %v, known: %v", ghosts, known)
			}
			c.AckGhost(pod(1), uid2)
			if u := c.recount(); u != c.usage {
				t.Errorf("%+v are counted of %+v", c.usage, u)
			}
			s.commit(true)

			s.open()
			c, _ = s.claim("uid", "digest")
			c.BeginSnapshot()
			sequence, verdict := c.observe(pod(1), at(uid1, 10), false, true)
			if verdict != Deliver {
				t.Fatalf("verdict %v, want Deliver: the sink has none", verdict)
			}
			if ghosts, _, _, _ := c.begin(sequence, pod(1), at(uid1, 10), false); len(ghosts) > 0 {
				t.Errorf("it is told that %v are gone", ghosts)
			}
			c.Ack(sequence, pod(1), at(uid1, 10), false)
			if u := c.recount(); u != c.usage || len(c.unackedUIDs) > 0 {
				t.Errorf("at rest: %+v are counted of %+v, and the sink may hold %v", c.usage, u, c.unackedUIDs)
			}
		})
	}
}
