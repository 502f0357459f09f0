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
