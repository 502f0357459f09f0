package ledger

import (
	"errors"
	"testing"
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
		want    error // nil: it is sent
	}{
		{"the acked state", nil, a, at(uid1, 10), false, nil},
		{"an older state", nil, a, at(uid1, 9), false, ErrSuperseded},
		{"a newer state that nobody observed", nil, a, at(uid1, 11), false, ErrSuperseded},
		{"the version of another UID", nil, a, at(uid2, 10), false, ErrSuperseded},
		{"a state of an object that is not known", nil, b, at(uid1, 10), false, ErrSuperseded},
		{"the deletion of what exists again", nil, a, at(uid1, 9), true, ErrSuperseded},
		{"the deletion of what had the name before", nil, a, at(uid2, 9), true, ErrNameTaken},
		{"a deletion of what is not there", nil, b, at(uid2, 9), true, nil},
		{"a state with a newer one pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), false, false)
		}, a, at(uid1, 10), false, ErrSuperseded},
		{"the deletion of what is pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid2, 21), false, false)
		}, a, at(uid2, 9), true, ErrNotNow},
		{"a deletion with another object pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), false, false)
		}, a, at(uid2, 9), true, ErrNotNow},
		{"a deletion that is pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), true, false)
		}, a, at(uid1, 21), true, ErrNotNow},
		{"a state that is pending", func(_ *testing.T, c *Cursor) {
			c.observe(a, at(uid1, 21), false, false)
		}, a, at(uid1, 21), false, ErrNotNow},
		{"a state of what was deleted", func(t *testing.T, c *Cursor) {
			deliver(t, c, a, at(uid1, 21), true, false)
		}, a, at(uid1, 10), false, ErrSuperseded},
		{"that deletion", func(t *testing.T, c *Cursor) {
			deliver(t, c, a, at(uid1, 21), true, false)
		}, a, at(uid1, 21), true, nil},
		{"an older deletion than the one that is remembered", func(t *testing.T, c *Cursor) {
			deliver(t, c, a, at(uid1, 21), true, false)
		}, a, at(uid3, 19), true, nil},
		{"a deletion beside the note of another one", func(_ *testing.T, c *Cursor) {
			c.unackedUIDs[nameOfTest(b)] = []version{{uid: c.uidLocked(uid2), rv: isGone}}
		}, b, at(uid1, 9), true, nil},
		{"a deletion with another UID on its way", func(t *testing.T, c *Cursor) {
			c.unackedUIDs[nameOfTest(b)] = []version{{uid: c.uidLocked(uid2), rv: 15}}
		}, b, at(uid1, 9), true, ErrNotNow},
		{"a state with another UID on its way", func(t *testing.T, c *Cursor) {
			c.unackedUIDs[nameOfTest(a)] = []version{{uid: c.uidLocked(uid2), rv: 15}}
		}, a, at(uid1, 10), false, ErrSuperseded},
	} {
		c := snapshotOf(t)
		if tc.before != nil {
			tc.before(t, c)
		}
		unacked := c.Stats().Unacked
		r, sequence, err := c.Redeliver(tc.name, tc.version, tc.deleted)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.what, err, tc.want)
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
	if _, verdict := c.observe(a, at(uid1, 30), false, false); verdict != Stale {
		t.Errorf("what was deleted later is shown again: verdict %v", verdict)
	}
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
	again := func() {
		t.Helper()
		_, sequence, err := c.Redeliver(a, at(uid1, 10), false)
		if _, _, _, superseded := c.begin(sequence, a, at(uid1, 10), false); err != nil || superseded {
			t.Fatal("not retried")
		}
	}
	again()
	if missing := endSnapshot(c, "30"); len(missing) > 0 {
		t.Errorf("taken for gone: %+v", missing)
	}

	c = snapshotOf(t)
	c.BeginSnapshot()
	again()
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
