package ledger

import "testing"

// Who ranges over what is gone for a second time tells of the same versions, so that one
// deletion has one id.
func TestRetireTwiceTellsTheSame(t *testing.T) {
	c := snapshotOf(t)
	was := map[Name]Version{}
	for d := range c.Retire() {
		was[d.Name] = d.Version
	}
	again := 0
	for d := range c.Retire() {
		if again++; d.Version != was[d.Name] {
			t.Errorf("%v was told with %v, and with %v again", d.Name, was[d.Name], d.Version)
		}
	}
	if again != len(was) {
		t.Errorf("%d are told again of %d", again, len(was))
	}
}

// A deletion that a worker holds is not told again, however long its sink takes for it. One
// that waits is: nobody knows whether it ever came into the queue. When all are acked,
// nothing is left.
func TestRetireAgainWhileAWorkerHoldsIt(t *testing.T) {
	c := snapshotOf(t)
	deliver(t, c, Name{"ns", "b"}, at(uid2, 21), false, false)
	c.Seen("21")
	told := retire(c)
	held := told[0]
	if _, _, _, superseded := c.begin(held.Sequence, held.Name, held.Version, true); superseded {
		t.Fatal("superseded")
	}
	for range 2 {
		again := retire(c)
		if len(again) != len(told)-1 {
			t.Errorf("%d are told again, want the %d that wait", len(again), len(told)-1)
		}
		for _, d := range again {
			if d.Name == held.Name {
				t.Errorf("%v is told again, and a worker holds it", d.Name)
			}
		}
		told = append([]Tombstone{held}, again...)
	}
	// It was refused, and is taken again.
	if _, _, _, superseded := c.begin(held.Sequence, held.Name, held.Version, true); superseded {
		t.Error("superseded by what was told again")
	}
	c.Ack(held.Sequence, held.Name, held.Version, true)
	for _, d := range told[1:] {
		c.begin(d.Sequence, d.Name, d.Version, true)
		c.Ack(d.Sequence, d.Name, d.Version, true)
	}
	if s := c.Stats(); s.Known != 0 || s.Unacked != 0 {
		t.Errorf("left: %+v", s)
	}
}

// What all is told to be gone with is no older than what the sink has accepted, also amid the
// first snapshot of a restored backup.
func TestRetireTellsNothingOlderThanWhatWasAcked(t *testing.T) {
	c := snapshotOf(t)
	deliver(t, c, Name{"ns", "b"}, at(uid2, 25), false, false)
	c.Seen("25")
	c.BeginSnapshot()
	c.observe(Name{"ns", "a"}, at(uid1, 5), false, true)
	c.InvalidateResumePoint()
	for _, d := range retire(c) {
		if d.Version.ResourceVersion != "25" {
			t.Errorf("%v is told to be gone with version %s, want 25", d.Name, d.Version.ResourceVersion)
		}
	}
}

// Leave may be taken amid the end of a snapshot, by another owner. What it tells is no older
// than what was told then, and that stays remembered.
func TestRetireTellsNothingOlderThanASnapshot(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	old.BeginSnapshot()
	var held Tombstone
	for held = range old.EndSnapshot("30") {
		old.begin(held.Sequence, held.Name, held.Version, true)
		break
	}
	c, _ := s.claim("uid", "")
	told := retire(c)
	if len(told) != 2 {
		t.Fatalf("told %+v", told)
	}
	old.Ack(held.Sequence, held.Name, held.Version, true)
	for _, d := range told {
		if d.Version.ResourceVersion != "30" {
			t.Errorf("%v is told to be gone with version %s, want 30", d.Name, d.Version.ResourceVersion)
		}
		c.begin(d.Sequence, d.Name, d.Version, true)
		c.Ack(d.Sequence, d.Name, d.Version, true)
		if gone := c.deleted[nameOfTest(d.Name)]; gone != 30 {
			t.Errorf("version %d of the deletion of %v is remembered, want 30", gone, d.Name)
		}
	}
}

// A deletion that a worker holds is not told again by the snapshot of a restored backup. Its
// version is of another history: it hides nothing that comes there.
func TestADeletionOnItsWayHidesNothingOfARestoredBackup(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	sequence, _ := c.observe(a, at(uid1, 60), true, false)
	c.Seen("60")
	c.begin(sequence, a, at(uid1, 60), true)
	c.BeginSnapshot()
	if told := endSnapshot(c, "30"); len(told) != 0 {
		t.Errorf("told again: %+v", told)
	}
	c.Seen("30")
	if _, verdict := c.observe(a, at(uid2, 40), false, false); verdict != Deliver {
		t.Errorf("verdict %v on what is new", verdict)
	}
}
