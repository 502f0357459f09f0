package ledger

import (
	"errors"
	"testing"
)

// Of two states under one name that are sent again, one waits for the other: the ack of one is
// none of the other.
func TestRetriedStatesOfOneName(t *testing.T) {
	c, b := snapshotOf(t), Name{"ns", "b"}
	r1, s1, err := c.Redeliver(b, at(uid1, 9), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Redeliver(b, at(uid2, 12), true); !errors.Is(err, ErrNotNow) {
		t.Errorf("two at once: %v", err)
	}
	c.begin(s1, b, at(uid1, 9), true)
	if c.Ack(s1, b, at(uid1, 9), true); !settled(r1) || !r1.Acked() {
		t.Error("the first one is not settled")
	}
	r2, s2, err := c.Redeliver(b, at(uid2, 12), true)
	if err != nil {
		t.Fatal(err)
	}
	// The newest takes its place.
	deliver(t, c, b, at(uid3, 21), false, false)
	if _, _, _, superseded := c.begin(s2, b, at(uid2, 12), true); !superseded || !settled(r2) || r2.Acked() {
		t.Errorf("superseded %v, settled %v, acked %v, although nobody was told of it", superseded, settled(r2), r2.Acked())
	}
}

// What is given up is not handed over any more, and holds up no other of its name.
func TestRetriedStateThatIsNotHandedOver(t *testing.T) {
	c, b := snapshotOf(t), Name{"ns", "b"}
	r, sequence, err := c.Redeliver(b, at(uid1, 9), true)
	if err != nil {
		t.Fatal(err)
	}
	if c.GiveUp(b, r); !settled(r) || r.Acked() {
		t.Error("it is not given up")
	}
	if _, _, _, superseded := c.begin(sequence, b, at(uid1, 9), true); !superseded {
		t.Error("it is handed over all the same")
	}
	if _, _, err := c.Redeliver(b, at(uid2, 12), true); err != nil {
		t.Errorf("it holds up another one: %v", err)
	}
}

// A state that is sent twice again, and handed over once, is handed over.
func TestRetriedTwice(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, s1, _ := c.Redeliver(a, at(uid1, 10), false) // handed over
	_, _, _ = c.Redeliver(a, at(uid1, 10), false)   // never handed over
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
	if _, _, err := now.Redeliver(a, at(uid1, 10), false); !errors.Is(err, ErrNotNow) {
		t.Error("it is sent again while a worker has a newer one")
	}
	before.Ack(o.Sequence, a, at(uid1, 21), false)
	r, sequence, err := now.Redeliver(a, at(uid1, 21), false)
	if err != nil {
		t.Fatal("it is not sent again although it is the newest:", err)
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
	r, _, err := c.Redeliver(pod(7), at(uuid(7), 9), true)
	if s.ledger.Drop(c.ID()); err != nil || !settled(r) || r.Acked() {
		t.Errorf("sent: %v, settled %t, acked %t", err, settled(r), r.Acked())
	}
}

// A state that is not the newest any more when its turn comes is settled, without an ack.
func TestRetriedOfWhatIsGoneMeanwhile(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, sequence, err := c.Redeliver(a, at(uid1, 10), false)
	c.AckGhost(a, uid1)
	if _, _, _, superseded := c.begin(sequence, a, at(uid1, 10), false); err != nil || !superseded {
		t.Fatalf("sent: %v, superseded %t", err, superseded)
	}
	if !settled(r) || r.Acked() {
		t.Errorf("settled %t, acked %t", settled(r), r.Acked())
	}
}

// A deletion that is sent again is none of the state with that version.
func TestRetriedDeletionOfARetriedState(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	state, first, _ := c.Redeliver(a, at(uid1, 10), false)
	c.AckGhost(a, uid1)
	if _, _, err := c.Redeliver(a, at(uid1, 10), true); !errors.Is(err, ErrNotNow) {
		t.Errorf("the state is on its way, and the deletion is sent beside it: %v", err)
	}
	c.begin(first, a, at(uid1, 10), false)
	gone, sequence, err := c.Redeliver(a, at(uid1, 10), true)
	if err != nil || gone == state || !settled(state) || state.Acked() {
		t.Fatalf("sent: %v, the same %t, the state is settled %t, acked %t", err, gone == state, settled(state), state.Acked())
	}
	c.begin(sequence, a, at(uid1, 10), true)
	c.Ack(sequence, a, at(uid1, 10), true)
	if !gone.Acked() {
		t.Error("the deletion is not acked")
	}
}
