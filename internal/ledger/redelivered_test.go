package ledger

import (
	"errors"
	"testing"
)

// Of two states under one name that are sent again, the ack of one is none of the other. What
// is told of the acked state, whose number was given out before, is over.
func TestRetriedStatesOfOneName(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r1, s1, err := c.Redeliver(a, at(uid1, 10), false)
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, c, a, at(uid1, 11), true, false)
	r2, s2, err := c.Redeliver(a, at(uid1, 11), true)
	if err != nil || r1 == r2 || s1 == s2 {
		t.Fatalf("one Redelivery for two states, or %v", err)
	}
	if _, _, _, superseded := c.begin(s1, a, at(uid1, 10), false); !superseded || settled(r2) {
		t.Errorf("superseded %v, the other one settled %v", superseded, settled(r2))
	}
	c.begin(s2, a, at(uid1, 11), true)
	if c.Ack(s2, a, at(uid1, 11), true); !settled(r2) || !r2.Acked() {
		t.Error("not settled by its ack")
	}
}

// A state that is sent twice again, and handed over once, is handed over.
func TestRetriedTwice(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	r, s1, _ := c.Redeliver(a, at(uid1, 10), false)                   // handed over
	if _, _, err := c.Redeliver(a, at(uid1, 10), false); err != nil { // never handed over
		t.Fatal(err)
	}
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
