package ledger

import (
	"errors"
	"testing"
)

// Calls through an older handle do nothing, but for acks of what is in work.
func TestOnlyTheLastHandleCounts(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	working, _ := old.observe(pod(1), at(uid3, 21), false, false)
	old.Seen("21")
	old.begin(working, pod(1), at(uid3, 21), false)
	waiting, _ := old.observe(pod(2), at(uuid(2), 22), false, false)
	old.Seen("22")

	c, _ := s.claim("uid", "")
	if from, ok := c.Start(); from != "20" || !ok {
		t.Fatalf("the new owner begins at %q", from)
	}
	if _, verdict := old.observe(pod(3), at(uuid(3), 30), false, false); verdict != Lost {
		t.Errorf("observed through an old handle: verdict %v", verdict)
	}
	old.Seen("30")
	old.BeginSnapshot()
	if _, _, err := old.Redeliver(pod(1), at(uid3, 11), false); !errors.Is(err, ErrNotNow) {
		t.Error("retried through an old handle")
	}
	if from, _ := c.Start(); from != "20" {
		t.Errorf("an old handle moves the start to %q", from)
	}
	if _, _, _, superseded := old.Begin(waiting, pod(2), at(uuid(2), 22), false); !superseded {
		t.Error("what the old owner has observed is handed over")
	}
	old.Ack(waiting, pod(2), at(uuid(2), 22), false)
	old.Ack(working, pod(1), at(uid3, 21), false)
	if _, verdict := c.observe(pod(1), at(uid3, 21), false, false); verdict != Duplicate {
		t.Errorf("what was in work is shown again: verdict %v", verdict)
	}
	if _, verdict := c.observe(pod(2), at(uuid(2), 22), false, false); verdict != Deliver {
		t.Errorf("what waited is shown again: verdict %v", verdict)
	}
	if mine, _ := s.ledger.Claim(Claiming{ID: c.ID(), Mine: c}); mine != c {
		t.Error("the owner has lost its own handle")
	}
	if other, _ := s.ledger.Claim(Claiming{ID: c.ID(), Mine: old}); other == old || !c.lostLocked() {
		t.Error("an old handle is taken for the owner's")
	}
}

// A worker holds the deletion of an object when another owner sees that it is there.
func TestWhatLingersIsNoDuplicate(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	gone, _ := old.observe(pod(1), at(uid3, 30), true, true)
	old.begin(gone, pod(1), at(uid3, 30), true)
	c, _ := s.claim("uid", "")
	c.BeginSnapshot()
	sequence, verdict := c.observe(pod(1), at(uid3, 11), false, true)
	if verdict != Deliver {
		t.Fatalf("verdict %v", verdict)
	}
	old.Ack(gone, pod(1), at(uid3, 30), true)
	if _, _, _, superseded := c.begin(sequence, pod(1), at(uid3, 11), false); superseded {
		t.Error("superseded")
	}
	c.Ack(sequence, pod(1), at(uid3, 11), false)
	if acked, _, _ := c.Lookup(pod(1)); acked != at(uid3, 11) {
		t.Errorf("acked %v", acked)
	}
}

// An older state that was shown again waits while what came after it is accepted.
func TestWhatLingersOvertakes(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	working, _ := old.observe(pod(1), at(uid3, 23), false, false)
	old.begin(working, pod(1), at(uid3, 23), false)
	c, _ := s.claim("uid", "")
	sequence, _ := c.observe(pod(1), at(uid3, 22), false, false)
	c.Seen("22")
	old.Ack(working, pod(1), at(uid3, 23), false)
	if _, _, _, superseded := c.begin(sequence, pod(1), at(uid3, 22), false); !superseded || c.ResumePoint() != "22" || c.Unacked() != 0 {
		t.Errorf("superseded %t, resume point %q, %d unacked", superseded, c.ResumePoint(), c.Unacked())
	}
}

// A deletion that is shown with the version of the state that it ends comes behind that
// state, also if a worker of an owner before holds the state.
func TestWhatLingersDoesNotOvertakeItsDeletion(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	working, _ := old.observe(pod(1), at(uid3, 23), false, false)
	old.begin(working, pod(1), at(uid3, 23), false)
	c, _ := s.claim("uid", "")
	gone, verdict := c.observe(pod(1), at(uid3, 23), true, false)
	c.Seen("24")
	old.Ack(working, pod(1), at(uid3, 23), false)
	if _, _, _, superseded := c.begin(gone, pod(1), at(uid3, 23), true); superseded || verdict != Deliver {
		t.Fatalf("superseded %t, verdict %v", superseded, verdict)
	}
	c.Ack(gone, pod(1), at(uid3, 23), true)
	if acked, _, _ := c.Lookup(pod(1)); acked != (Version{}) {
		t.Errorf("%v is left", acked)
	}
}

// Ghosts are forgotten one by one, as the sink accepts that they are gone.
func TestAckGhost(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	c.hold(pod(1), at("odd", 13))
	sequence, _ := c.observe(pod(1), at(uuid(7), 21), false, false)
	ghosts, _, _, _ := c.begin(sequence, pod(1), at(uuid(7), 21), false)
	if len(ghosts) != 2 {
		t.Fatalf("ghosts %v", ghosts)
	}
	c.AckGhost(pod(1), ghosts[0])
	c.AckGhost(pod(1), ghosts[0]) // again, after a failure of another part
	s.commit(true)
	s.open()
	c, _ = s.claim("uid", "")
	sequence, _ = c.observe(pod(1), at(uuid(8), 22), false, false)
	again, _, _, _ := c.begin(sequence, pod(1), at(uuid(8), 22), false)
	if len(again) != 2 || again[0] != ghosts[1] || again[1] != uuid(7) {
		t.Errorf("left %v of %v", again, ghosts)
	}
	for _, uid := range again {
		c.AckGhost(pod(1), uid)
	}
	c.Ack(sequence, pod(1), at(uuid(8), 22), false)
	if u := c.recount(); u != c.usage {
		t.Errorf("%+v are counted of what takes %+v", c.usage, u)
	}
}
