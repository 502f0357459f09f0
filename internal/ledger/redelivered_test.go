package ledger

import "testing"

// two deletions of different UIDs, both forgotten
// Of two states under one name that are sent again, the ack of one is none of the other.
func TestRetriedStatesOfOneName(t *testing.T) {
	c, b := snapshotOf(t), Name{"ns", "b"}
	r1, s1, ok1 := c.Redeliver(b, at(uid1, 9), true)
	r2, s2, ok2 := c.Redeliver(b, at(uid2, 12), true)
	if !ok1 || !ok2 {
		t.Fatal(ok1, ok2)
	}
	if r1 == r2 {
		t.Error("one Redelivery for two states")
	}
	if _, _, _, superseded := c.begin(s1, b, at(uid1, 9), true); !superseded {
		t.Error("the first one is handed over, and another one has its place")
	}
	c.begin(s2, b, at(uid2, 12), true)
	c.Ack(s2, b, at(uid2, 12), true)
	if settled(r1) && r1.Acked() {
		t.Error("the deletion of uid1 counts as acked, and was never handed over")
	}
}

// A state that is sent twice again, and handed over once, is handed over.
func TestRetriedTwice(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, s1, _ := c.Redeliver(a, at(uid1, 10), false) // handed over
	c.Redeliver(a, at(uid1, 10), false)             // never handed over
	if _, _, _, superseded := c.begin(s1, a, at(uid1, 10), false); superseded {
		t.Error("what was handed over is dropped because of one that never was; settled:", settled(r))
	}
}

// A state is not sent again while a worker of an owner before has a newer one, and one
// that is not the newest any more when its turn comes is settled.
func TestRetriedBesideWhatLingers(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	before := c.handleLocked()
	o := before.Observe(a, at(uid1, 21), false, false, nil)
	before.begin(o.Sequence, a, at(uid1, 21), false)
	now := c.handleLocked()
	if _, _, ok := now.Redeliver(a, at(uid1, 10), false); ok {
		t.Error("it is sent again while a worker has a newer one")
	}
	before.Ack(o.Sequence, a, at(uid1, 21), false)
	r, sequence, ok := now.Redeliver(a, at(uid1, 21), false)
	if !ok {
		t.Fatal("it is not sent again although it is the newest")
	}
	deliver(t, now, a, at(uid1, 22), false, false)
	if _, _, _, superseded := now.begin(sequence, a, at(uid1, 21), false); !superseded || !settled(r) {
		t.Errorf("superseded %v, settled %v", superseded, settled(r))
	}
}

// Nobody waits for a state that is sent again when its cursor is dropped: that of a cluster
// of which leave has been taken, say.
func TestRetriedOfACursorThatIsDropped(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	r, _, ok := c.Redeliver(pod(7), at(uuid(7), 9), true)
	if s.ledger.Drop(c.ID()); !ok || !settled(r) || r.Acked() {
		t.Errorf("sent %t, settled %t, acked %t", ok, settled(r), r.Acked())
	}
}

// A state that is not the newest any more when its turn comes is settled, without an ack.
func TestRetriedOfWhatIsGoneMeanwhile(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, sequence, ok := c.Redeliver(a, at(uid1, 10), false)
	c.AckGhost(a, uid1)
	if _, _, _, superseded := c.begin(sequence, a, at(uid1, 10), false); !ok || !superseded {
		t.Fatalf("sent %t, superseded %t", ok, superseded)
	}
	if !settled(r) || r.Acked() {
		t.Errorf("settled %t, acked %t", settled(r), r.Acked())
	}
}

// A deletion that is sent again is none of the state with that version.
func TestRetriedDeletionOfARetriedState(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	state, _, _ := c.Redeliver(a, at(uid1, 10), false)
	c.AckGhost(a, uid1)
	gone, sequence, ok := c.Redeliver(a, at(uid1, 10), true)
	if !ok || gone == state || !settled(state) || state.Acked() {
		t.Fatalf("sent %t, the same %t, the state is settled %t, acked %t", ok, gone == state, settled(state), state.Acked())
	}
	c.begin(sequence, a, at(uid1, 10), true)
	c.Ack(sequence, a, at(uid1, 10), true)
	if !gone.Acked() {
		t.Error("the deletion is not acked")
	}
}
