package ledger

import "testing"

// two deletions of different UIDs, both forgotten
// Of two states under one name that are sent again, the ack of one is none of the other.
func TestRetriedStatesOfOneName(t *testing.T) {
	c, b := snapshotOf(t), Name{"ns", "b"}
	r1, s1, ok1 := c.Retry(b, at(uid1, 9), true)
	r2, s2, ok2 := c.Retry(b, at(uid2, 12), true)
	if !ok1 || !ok2 {
		t.Fatal(ok1, ok2)
	}
	if r1 == r2 {
		t.Error("one Retried for two states")
	}
	_, _, _, superseded := c.begin(s1, b, at(uid1, 9), true)
	t.Log("first superseded:", superseded)
	c.begin(s2, b, at(uid2, 12), true)
	c.Ack(s2, b, at(uid2, 12), true)
	if settled(r1) && r1.Acked() {
		t.Error("the deletion of uid1 counts as acked, and was never handed over")
	}
}

// A state that is sent twice again, and handed over once, is handed over.
func TestRetriedTwice(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, s1, _ := c.Retry(a, at(uid1, 10), false) // handed over
	c.Retry(a, at(uid1, 10), false)             // never handed over
	if _, _, _, superseded := c.begin(s1, a, at(uid1, 10), false); superseded {
		t.Error("what was handed over is dropped because of one that never was; settled:", settled(r))
	}
}
