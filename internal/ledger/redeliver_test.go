package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// snapshotOf returns a cursor whose first snapshot, at version 20, held a at
// 10, all of it acked.
func snapshotOf(t *testing.T) *Cursor {
	t.Helper()
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	deliver(t, c, Name{"ns", "a"}, at(uid1, 10), false, true)
	endSnapshot(c, "20")
	c.Seen("20")
	return c
}

func settled(r *Redelivery) bool {
	select {
	case <-r.Settled():
		return true
	default:
		return false
	}
}

func TestOnlyTheNewestIsRetried(t *testing.T) {
	a, b := Name{"ns", "a"}, Name{"ns", "b"}
	for _, tc := range []struct {
		what    string
		before  func(t *testing.T, c *Cursor)
		name    Name
		version Version
		deleted bool
		want    error  // nil: it is sent
		names   string // what the error names
	}{
		{"the acked state", nil, a, at(uid1, 10), false, nil, ""},
		{"an older state", nil, a, at(uid1, 9), false, ErrSuperseded, "version 10 of UID " + uid1},
		{"a newer state that nobody observed", nil, a, at(uid1, 11), false, ErrSuperseded, "version 10"},
		{"the version of another UID", nil, a, at(uid2, 10), false, ErrSuperseded, uid1},
		{"a state of an object that is not known", nil, b, at(uid1, 10), false, ErrSuperseded, "the deletion of what had the name"},
		{"the deletion of what exists again", nil, a, at(uid1, 9), true, ErrSuperseded, "version 10 of UID " + uid1},
		{"the deletion of what had the name before", nil, a, at(uid2, 9), true, ErrNameTaken, "version 10 of UID " + uid1},
		{"a deletion of what is not there", nil, b, at(uid2, 9), true, nil, ""},
		{"a state with a newer one pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), false, false)
		}, a, at(uid1, 10), false, ErrSuperseded, "version 21"},
		{"the deletion of what is pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid2, 21), false, false)
		}, a, at(uid2, 9), true, ErrSuperseded, "version 21 of UID " + uid2},
		{"a deletion with another object pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), false, false)
		}, a, at(uid2, 9), true, ErrNotNow, "version 21 of UID " + uid1},
		{"a deletion that is pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), true, false)
		}, a, at(uid1, 21), true, ErrNotNow, "the deletion of UID " + uid1},
		{"a state that is pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), false, false)
		}, a, at(uid1, 21), false, ErrNotNow, "version 21 of UID " + uid1},
		{"a state of what was deleted", func(t *testing.T, c *Cursor) {
			deliver(t, c, a, at(uid1, 21), true, false)
		}, a, at(uid1, 10), false, ErrSuperseded, "the deletion"},
		{"that deletion", func(t *testing.T, c *Cursor) {
			deliver(t, c, a, at(uid1, 21), true, false)
		}, a, at(uid1, 21), true, nil, ""},
		{"an older deletion than the one that is remembered", func(t *testing.T, c *Cursor) {
			deliver(t, c, a, at(uid1, 21), true, false)
		}, a, at(uid3, 19), true, nil, ""},
		{"a deletion with another UID on its way", func(t *testing.T, c *Cursor) {
			c.unackedUIDs[nameOfTest(b)] = []version{{uid: c.uidLocked(uid2), rv: 15}}
		}, b, at(uid1, 9), true, ErrNotNow, "another object"},
		{"a state with another UID on its way", func(t *testing.T, c *Cursor) {
			c.unackedUIDs[nameOfTest(a)] = []version{{uid: c.uidLocked(uid2), rv: 15}}
		}, a, at(uid1, 10), false, ErrSuperseded, "version 15 of UID " + uid2},
	} {
		c := snapshotOf(t)
		if tc.before != nil {
			tc.before(t, c)
		}
		unacked := c.Stats().Unacked
		r, sequence, err := c.Redeliver(tc.name, tc.version, tc.deleted)
		if !errors.Is(err, tc.want) || err != nil && !strings.Contains(err.Error(), tc.names) {
			t.Errorf("%s: %v, want %v that names %q", tc.what, err, tc.want, tc.names)
		}
		if err == nil {
			if c.Stats().Unacked != unacked || settled(r) {
				t.Errorf("%s: settled %v, %d unacked, before it was handed over", tc.what, settled(r), c.Stats().Unacked)
			}
			unacked++
			if _, _, _, superseded := c.begin(sequence, tc.name, tc.version, tc.deleted); superseded {
				t.Errorf("%s: superseded", tc.what)
			}
		}
		if got := c.Stats().Unacked; got != unacked {
			t.Errorf("%s: %d unacked, want %d", tc.what, got, unacked)
		}
	}
}

// A UID whose deletion was put away, and whose name another one has by now, is deleted
// before the state of that one, which comes once more: with numbers above all before. Until
// it is accepted the store has it, so that a kill loses nothing.
func TestADeletionIsRetriedAsAGhost(t *testing.T) {
	a := Name{"ns", "a"}
	begin := func(c *Cursor, next Successor) (ghosts []string, superseded bool) {
		ghosts, _, _, superseded = c.begin(next.Sequence, a, next.Version, false)
		return ghosts, superseded
	}
	t.Run("accepted", func(t *testing.T) {
		c := snapshotOf(t)
		before := c.numbers.last
		r, next, err := c.RedeliverGhost(a, uid2)
		if err != nil || next.Version != at(uid1, 10) || next.Sequence-1 <= before {
			t.Fatalf("%+v after number %d, %v", next, before, err)
		}
		if again, same, err := c.RedeliverGhost(a, uid2); again != r || same != next || err != nil {
			t.Errorf("asked twice: %+v, %v", same, err)
		}
		if third, same, err := c.RedeliverGhost(a, uid3); third != r || same != next || err != nil {
			t.Errorf("of a third UID: %+v, %v", same, err)
		}
		ghosts, superseded := begin(c, next)
		if diff := cmp.Diff([]string{uid3, uid2}, ghosts); superseded || diff != "" {
			t.Errorf("superseded %v, ghosts:\n%s", superseded, diff)
		}
		c.AckGhost(a, uid2)
		if ghosts, _ := begin(c, next); len(ghosts) != 1 {
			t.Errorf("ghosts %v once one is accepted", ghosts)
		}
		c.Ack(next.Sequence, a, next.Version, false)
		if !settled(r) || !r.Acked() || len(c.unackedUIDs) > 0 {
			t.Errorf("settled %v, acked %v, left %v", settled(r), r.Acked(), c.unackedUIDs)
		}
	})
	t.Run("a newer state comes first", func(t *testing.T) {
		c := snapshotOf(t)
		r, next, _ := c.RedeliverGhost(a, uid2)
		if ghosts, _ := deliver(t, c, a, at(uid1, 21), false, false); !cmp.Equal(ghosts, []string{uid2}) {
			t.Errorf("ghosts of the newer state: %v", ghosts)
		}
		if _, superseded := begin(c, next); !superseded || !settled(r) || !r.Acked() {
			t.Errorf("superseded %v, settled %v, acked %v", superseded, settled(r), r.Acked())
		}
	})
	t.Run("after a kill", func(t *testing.T) {
		s := newStored(t)
		c, _ := s.claim("uid", "")
		s.fill(c)
		one := pod(1)
		acked, _, _ := c.Lookup(one)
		if _, _, err := c.RedeliverGhost(one, uuid(99)); err != nil {
			t.Fatal(err)
		}
		s.commit(true)
		s.open()
		c, _ = s.claim("uid", "")
		if _, _, err := c.Redeliver(one, acked, false); err != nil {
			t.Errorf("what has the name cannot be sent again: %v", err)
		}
		c.BeginSnapshot()
		sequence, _ := c.observe(one, acked, false, true)
		if ghosts, _, _, _ := c.begin(sequence, one, acked, false); !cmp.Equal(ghosts, []string{uuid(99)}) {
			t.Errorf("ghosts in the next snapshot: %v", ghosts)
		}
	})
}

// Deletions of several UIDs under a name that is free go together, and before whatever takes
// the name meanwhile.
func TestDeletionsOfOneNameGoTogether(t *testing.T) {
	c, b := snapshotOf(t), Name{"ns", "b"}
	r, sequence, err := c.Redeliver(b, at(uid1, 9), true)
	if err != nil {
		t.Fatal(err)
	}
	if second, same, err := c.Redeliver(b, at(uid2, 12), true); second != r || same != sequence || err != nil {
		t.Errorf("the second one has number %d, the first %d; %v", same, sequence, err)
	}
	if ghosts, _ := deliver(t, c, b, at(uid3, 21), false, false); !cmp.Equal(ghosts, []string{uid2, uid1}) || !r.Acked() {
		t.Errorf("ghosts of what takes the name: %v, acked %v", ghosts, r.Acked())
	}
	if _, _, _, superseded := c.begin(sequence, b, at(uid1, 9), true); !superseded {
		t.Error("the first one is handed over although it is done")
	}
}

// The deletion of another UID, sent again, is older than the one that is remembered, which a
// resumed watch would show again.
func TestTheLatestDeletionIsRemembered(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	c.Seen("25")
	deliver(t, c, a, at(uid1, 31), true, false)
	_, sequence, err := c.Redeliver(a, at(uid3, 19), true)
	if err != nil {
		t.Fatal(err)
	}
	c.begin(sequence, a, at(uid3, 19), true)
	c.Ack(sequence, a, at(uid3, 19), true)
	if got := c.Standing(a).Gone; got != "31" {
		t.Errorf("version %s is remembered, want 31", got)
	}
}

func nameOfTest(n Name) name { return name(appendName(nil, n)) }

func TestARetriedStateIsPendingLikeAnyOther(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, sequence, err := c.Redeliver(a, at(uid1, 10), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, known, err := beginAndWait(t.Context(), c, sequence, a, at(uid1, 10), false); !known || err != nil {
		t.Errorf("Begin: known %v, %v", known, err)
	}
	if _, _, err := c.Redeliver(a, at(uid1, 10), false); err == nil {
		t.Error("retried while a worker has it")
	}
	c.Seen("30")
	if got := c.ResumePoint(); got != "20" {
		t.Errorf("resume point %s with a retried state pending since 20", got)
	}
	c.Ack(sequence, a, at(uid1, 10), false)
	if !settled(r) || !r.Acked() {
		t.Errorf("settled %v, acked %v after the ack", settled(r), r.Acked())
	}
	if got := c.ResumePoint(); got != "30" {
		t.Errorf("resume point %s after the ack", got)
	}
}

func TestANewerStateSettlesARetriedOne(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, old, _ := c.Redeliver(a, at(uid1, 10), false)
	sequence, _ := c.observe(a, at(uid1, 21), false, false) // takes its place in the queue
	c.Seen("21")
	if _, _, _, superseded := c.begin(old, a, at(uid1, 10), false); !superseded {
		t.Error("it is handed over with a newer one waiting")
	}
	if _, _, err := beginAndWait(t.Context(), c, sequence, a, at(uid1, 21), false); err != nil {
		t.Fatal(err)
	}
	if settled(r) {
		t.Error("settled before the ack")
	}
	c.Ack(sequence, a, at(uid1, 21), false)
	if !settled(r) || !r.Acked() || c.ResumePoint() != "21" {
		t.Errorf("settled %v, acked %v, resume point %s", settled(r), r.Acked(), c.ResumePoint())
	}
}

// A state whose turn never came has changed nothing. It is retried again under the same
// number.
func TestARetriedStateThatIsGivenUp(t *testing.T) {
	a := Name{"ns", "a"}
	c := snapshotOf(t)
	first, before, _ := c.Redeliver(a, at(uid1, 10), false)
	c.Seen("30")
	if c.Stats().Unacked != 0 || c.ResumePoint() != "30" {
		t.Errorf("%+v, resume point %s", c.Stats(), c.ResumePoint())
	}
	second, sequence, err := c.Redeliver(a, at(uid1, 10), false)
	if err != nil {
		t.Fatal("cannot be retried again:", err)
	}
	if sequence != before {
		t.Errorf("number %d, and %d before: one of them is dropped if both are on their way", sequence, before)
	}
	c.begin(sequence, a, at(uid1, 10), false)
	c.Ack(sequence, a, at(uid1, 10), false)
	for _, r := range []*Redelivery{first, second} {
		if !settled(r) || !r.Acked() {
			t.Errorf("settled %v, acked %v after the ack", settled(r), r.Acked())
		}
	}

	r, sequence, _ := c.Redeliver(a, at(uid1, 10), false)
	c.Rewind()
	if _, _, _, superseded := c.begin(sequence, a, at(uid1, 10), false); !superseded || !settled(r) || r.Acked() || c.Stats().Unacked != 0 {
		t.Errorf("forgotten: superseded %v, settled %v, acked %v, %+v", superseded, settled(r), r.Acked(), c.Stats())
	}
}

// TestASnapshotUnderWayKnowsARetriedObject retries an object after a snapshot
// has listed it and before it ends: it is not to be taken for gone.
func TestASnapshotUnderWayKnowsARetriedObject(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	c.BeginSnapshot()
	if _, verdict := c.observe(a, at(uid1, 10), false, true); verdict != Duplicate {
		t.Fatalf("verdict %v", verdict)
	}
	if _, _, err := c.Redeliver(a, at(uid1, 10), false); err != nil {
		t.Fatal(err)
	}
	if missing := endSnapshot(c, "30"); len(missing) > 0 {
		t.Errorf("taken for gone: %+v", missing)
	}

	c = snapshotOf(t)
	c.BeginSnapshot()
	if _, _, err := c.Redeliver(a, at(uid1, 10), false); err != nil {
		t.Fatal(err)
	}
	if missing := endSnapshot(c, "30"); len(missing) != 1 {
		t.Errorf("%d tombstones for an object that the snapshot did not hold", len(missing))
	}
}

// After a kill, a watch goes on before what was delivered last. A deletion that is
// retried before it has come there would be followed by what it deletes.
func TestReached(t *testing.T) {
	c := snapshotOf(t)
	for _, step := range []struct {
		what string
		do   func()
		want map[string]bool
	}{
		{"after a snapshot", func() {}, map[string]bool{"19": true, "20": true, "21": false, "odd": true}},
		{"after a frame", func() { c.Seen("22") }, map[string]bool{"21": true, "22": true, "23": false}},
		{"after a restart", func() {
			c.observe(Name{"ns", "b"}, at(uid2, 23), false, false)
			c.Seen("25")
			c.Rewind()
		}, map[string]bool{"22": true, "23": false, "25": false}},
		{"within a snapshot", c.BeginSnapshot, map[string]bool{"10": false}},
		{"after one of a backup", func() { endSnapshot(c, "12"); c.Seen("12") }, map[string]bool{"12": true, "20": false}},
		{"without a history", c.InvalidateResumePoint, map[string]bool{"10": false}},
	} {
		step.do()
		for version, want := range step.want {
			if got := c.Reached(version); got != want {
				t.Errorf("%s: version %s reached: %v", step.what, version, got)
			}
		}
	}
}
