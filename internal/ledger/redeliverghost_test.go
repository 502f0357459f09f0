package ledger

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A UID whose deletion was put away, and whose name another one has by now, is deleted
// before the state of that one, which is delivered once more: with numbers above all before,
// and in another generation.
func TestADeletionIsRetriedAsAGhost(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	before := c.numbers.last
	r2, err := c.RedeliverGhost(a, uid2)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.RedeliverGhost(a, uid2); again != r2 || err != nil {
		t.Errorf("asked twice: another one, or %v", err)
	}
	r3, err := c.RedeliverGhost(a, uid3)
	if err != nil || r3 == r2 {
		t.Fatalf("of a third UID: the same one, or %v", err)
	}
	if _, ok := c.Start(); ok || c.ResumePoint() != "" {
		t.Errorf("a watch may start, resume point %q", c.ResumePoint())
	}
	c.BeginSnapshot()
	o := c.Observe(a, at(uid1, 10), false, true, nil)
	if o.Verdict != Deliver || o.Sequence-1 <= before || o.Generation == 0 {
		t.Fatalf("%+v after number %d", o, before)
	}
	endSnapshot(c, "20")
	c.Seen("20")
	begin := func() (ghosts []string) {
		ghosts, _, _, superseded := c.begin(o.Sequence, a, at(uid1, 10), false)
		if superseded {
			t.Error("superseded")
		}
		return ghosts
	}
	if diff := cmp.Diff([]string{uid3, uid2}, begin()); diff != "" {
		t.Errorf("ghosts:\n%s", diff)
	}
	if c.AckGhost(a, uid2); !settled(r2) || !r2.Acked() || settled(r3) {
		t.Error("one is not settled by its own ack alone")
	}
	if diff := cmp.Diff([]string{uid3}, begin()); diff != "" {
		t.Errorf("ghosts once one is accepted:\n%s", diff)
	}
	if got := c.ResumePoint(); got != "" {
		t.Errorf("resume point %q before the state is accepted", got)
	}
	if c.Ack(o.Sequence, a, at(uid1, 10), false); !settled(r3) || !r3.Acked() || len(c.unackedUIDs)+len(c.ghosts) > 0 {
		t.Errorf("left: %v, %v", c.unackedUIDs, c.ghosts)
	}
	if got := c.ResumePoint(); got != "20" {
		t.Errorf("resume point %q", got)
	}
	if _, verdict := c.observe(a, at(uid1, 10), false, true); verdict != Duplicate {
		t.Errorf("it is due still: verdict %v", verdict)
	}
}

func TestWhatIsNotRetriedAsAGhost(t *testing.T) {
	a := Name{"ns", "a"}
	for _, tc := range []struct {
		what   string
		before func(t *testing.T, c *Cursor)
		uid    string
		want   error
	}{
		{"what exists", nil, uid1, ErrSuperseded},
		{"with a state pending", func(_ *testing.T, c *Cursor) { c.observe(a, at(uid1, 21), false, false) }, uid2, ErrNotNow},
		{"what is pending", func(_ *testing.T, c *Cursor) { c.observe(a, at(uid2, 21), false, false) }, uid2, ErrNotNow},
		{"with the state sent again", func(_ *testing.T, c *Cursor) { _, _, _ = c.Redeliver(a, at(uid1, 10), false) }, uid2, ErrNotNow},
		{"whose name is free", func(t *testing.T, c *Cursor) { deliver(t, c, a, at(uid1, 21), true, false) }, uid2, ErrNotNow},
		{"with a state in the hands of a worker before", func(_ *testing.T, c *Cursor) { c.lingering = map[name]uint64{nameOfTest(a): 7} }, uid2, ErrNotNow},
		{"of another owner", func(_ *testing.T, c *Cursor) { c.as = 1 }, uid2, ErrNotNow},
	} {
		c := snapshotOf(t)
		if tc.before != nil {
			tc.before(t, c)
		}
		generation, held := c.head.Generation, len(c.unackedUIDs)
		if _, err := c.RedeliverGhost(a, tc.uid); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.want)
		}
		if c.head.Generation != generation || len(c.unackedUIDs) != held || len(c.ghosts) > 0 {
			t.Errorf("%s: something is noted", tc.what)
		}
	}
	c := snapshotOf(t)
	if _, err := c.RedeliverGhost(a, uid2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Redeliver(a, at(uid1, 10), false); !errors.Is(err, ErrNotNow) {
		t.Errorf("the state is sent again beside what is owed: %v", err)
	}
}

// The watch shows a newer state before the snapshot begins.
func TestANewerStateTakesAGhostAlong(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, err := c.RedeliverGhost(a, uid2)
	if err != nil {
		t.Fatal(err)
	}
	if ghosts, _ := deliver(t, c, a, at(uid1, 21), false, false); !cmp.Equal(ghosts, []string{uid2}) || !settled(r) || !r.Acked() {
		t.Errorf("ghosts %v, settled %v", ghosts, settled(r))
	}
}

// byName is a consumer that has one row for each name, and drops what it has had by id.
type byName struct {
	had map[string]bool
	has string
}

func (b *byName) get(id, has string) {
	if !b.had[id] {
		b.had[id], b.has = true, has
	}
}

// A process ends after each step of sending a deletion again whose name is taken. The next one
// delivers what is left of it, and the row of what has the name is there in the end.
func TestAGhostIsOwedAcrossKills(t *testing.T) {
	for step, what := range []string{"noted", "begun", "told the deletion", "which is acked", "told the state", "which is acked"} {
		t.Run(what, func(t *testing.T) {
			s := newStored(t)
			c := s.reach()
			s.fill(c)
			s.commit(true)
			one, v, gone := pod(1), at(uid3, 11), uuid(99)
			sink := &byName{had: map[string]bool{"state/0": true}, has: "state"}
			buried := false
			r, err := c.RedeliverGhost(one, gone)
			if err != nil {
				t.Fatal(err)
			}
			tell := func(c *Cursor, steps int, noted bool) {
				o := c.Observe(one, v, false, true, nil)
				if o.Verdict != Deliver || steps < 1 {
					return
				}
				ghosts, _, unstored, _ := c.begin(o.Sequence, one, v, false)
				if !noted && !unstored {
					t.Error("it is handed over before the store has what is owed")
				}
				s.commit(true)
				for _, ghost := range ghosts {
					if steps < 2 {
						return
					}
					sink.get(string(rune('a'+o.Generation)), "")
					if buried = true; steps < 3 {
						return
					}
					c.AckGhost(one, ghost)
					s.commit(true)
				}
				if steps < 4 {
					return
				}
				if sink.get("state/"+string(rune('0'+o.Generation)), "state"); steps < 5 {
					return
				}
				c.Ack(o.Sequence, one, v, false)
				s.commit(true)
			}
			c.BeginSnapshot()
			if tell(c, step, false); step == 0 {
				s.commit(true)
			}
			if acked := step >= 3; settled(r) != acked {
				t.Errorf("settled: %v", settled(r))
			}
			c = s.reach()
			if _, ok := c.Start(); ok {
				t.Fatal("a watch goes on, which may not show what has the name")
			}
			c.BeginSnapshot()
			tell(c, 5, true)
			if !buried || sink.has != "state" {
				t.Errorf("told of the deletion: %v; the row by name: %q", buried, sink.has)
			}
		})
	}
}

// A UID that was noted as gone exists again, as a backup was restored: its state is noted before
// it is handed over, and nothing deletes it.
func TestAGhostThatExistsAgain(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	s.commit(true)
	r, err := c.RedeliverGhost(pod(1), uuid(9))
	if err != nil {
		t.Fatal(err)
	}
	s.commit(true)
	c.BeginSnapshot()
	v := at(uuid(9), 15)
	sequence, _ := c.observe(pod(1), v, false, true)
	ghosts, _, unstored, _ := c.begin(sequence, pod(1), v, false)
	if !cmp.Equal(ghosts, []string{uid3}) || !unstored {
		t.Errorf("ghosts %v, its version is not stored: %v", ghosts, unstored)
	}
	if held := c.unackedUIDs[nameOfTest(pod(1))]; len(held) != 1 || held[0].rv != 15 {
		t.Errorf("held: %v", held)
	}
	s.commit(true)
	c = s.reach()
	if held := c.unackedUIDs[nameOfTest(pod(1))]; len(held) != 1 || held[0].rv != 15 {
		t.Errorf("held after a kill: %v", held)
	}
	if settled(r) {
		t.Error("settled before anything is acked")
	}
}

// The stream is another one's before the deletion is delivered: nobody waits for it any more,
// and it is owed.
func TestAGhostThatNobodyWaitsFor(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	r, err := c.RedeliverGhost(pod(1), uuid(9))
	if err != nil {
		t.Fatal(err)
	}
	c, _ = s.claim("uid", "digest")
	if !settled(r) || r.Acked() {
		t.Error("somebody waits for it still")
	}
	sequence, _ := c.observe(pod(1), at(uid3, 31), false, false)
	if ghosts, _, _, _ := c.begin(sequence, pod(1), at(uid3, 31), false); !cmp.Equal(ghosts, []string{uuid(9)}) {
		t.Errorf("ghosts %v", ghosts)
	}
}

// An object comes back with the UID of a deletion that was refused, and another one takes its
// place before that is handed over. Nobody tells then that it is gone, but the deletion that is
// sent again.
func TestADeletionIsNotSupersededByWhatIsNotHandedOver(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	deliver(t, c, a, at(uid1, 21), true, false) // which was refused for good
	c.observe(a, at(uid1, 22), false, false)
	if _, _, err := c.Redeliver(a, at(uid1, 21), true); !errors.Is(err, ErrNotNow) {
		t.Errorf("while it is back, but nobody was told: %v", err)
	}
	sequence, _ := c.observe(a, at(uid2, 24), false, false)
	ghosts, _, _, _ := c.begin(sequence, a, at(uid2, 24), false)
	if len(ghosts) > 0 {
		t.Fatalf("ghosts %v: this tests something else", ghosts)
	}
	c.Ack(sequence, a, at(uid2, 24), false)
	if _, _, err := c.Redeliver(a, at(uid1, 21), true); !errors.Is(err, ErrNameTaken) {
		t.Errorf("when another one has the name: %v", err)
	}
}

// A deletion that an owner before has begun, and that is acked late, may be older than the one
// that is remembered: a watch would show again what was before that.
func TestALateAckOfADeletionLowersNothing(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	deliver(t, c, a, at(uid1, 21), true, false)
	c.lingering = map[name]uint64{nameOfTest(a): 7}
	c.Ack(7, a, at(uid3, 9), true)
	if got := c.deleted[nameOfTest(a)]; got != 21 {
		t.Errorf("version %v is remembered, want 21", got)
	}
}
