package ledger

import "testing"

// What is paid is the state that was observed last. Another state, and the same one once it is acked
// or forgotten, is not.
func TestPaid(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a := Name{"ns", "a"}
	observes := func(what string, v Version, deleted, want bool) Observation {
		t.Helper()
		o := c.Observe(a, v, deleted, true, nil)
		if o.Verdict != Deliver || o.Paid != want {
			t.Errorf("%s: verdict %v, paid %v, want %v", what, o.Verdict, o.Paid, want)
		}
		return o
	}
	c.BeginSnapshot()
	observes("the first state", at(uid1, 1), false, false)
	observes("before it is paid", at(uid1, 1), false, false)
	c.Paid(a)
	observes("the same, paid", at(uid1, 1), false, true)
	observes("another version", at(uid1, 2), false, false)
	c.Paid(a)
	observes("another UID of that version", at(uid2, 2), false, false)
	c.Paid(a)
	observes("its deletion", at(uid2, 2), true, false)
	c.Paid(a)
	c.BeginSnapshot()
	for _, d := range endSnapshot(c, "9") {
		if !d.Paid {
			t.Error("the deletion is found by a snapshot, and not paid any more")
		}
	}
	c.Rewind()
	c.BeginSnapshot()
	o := observes("what was forgotten", at(uid1, 10), false, false)
	c.Paid(a)
	if _, _, _, superseded := c.Begin(o.Sequence, a, at(uid1, 10), false); superseded {
		t.Fatal("it is superseded")
	}
	c.Ack(o.Sequence, a, at(uid1, 10), false)
	c.Paid(a) // of which nothing is on its way
	observes("what comes after the acked state", at(uid1, 11), false, false)
}
