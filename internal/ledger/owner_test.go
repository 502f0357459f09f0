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
	if _, _, err := old.Redeliver(pod(2), at(uuid(2), 12), false); !errors.Is(err, ErrNotNow) {
		t.Error("a state that nobody holds is retried through an old handle")
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

// What a worker of an owner before holds overtakes what the watch shows again only if it is
// known to come behind that, in the same history.
func TestWhatLingersOvertakesNothingElse(t *testing.T) {
	for name, test := range map[string]struct {
		holds, shows Version
		meanwhile    func(c *Cursor)
	}{
		"versions without an order": {at(uid3, 23), Version{uid3, "odd"}, func(*Cursor) {}},
		"a newer one":               {at(uid3, 23), at(uid3, 24), func(*Cursor) {}},
		"one of a restored backup": {at(uid3, 23), at(uid3, 22), func(c *Cursor) {
			c.BeginSnapshot()
			c.observe(pod(2), at(uuid(2), 9), false, true)
			c.observe(pod(1), at(uid3, 11), false, true)
			endSnapshot(c, "15")
			c.Seen("15")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			old, _ := s.claim("uid", "")
			s.fill(old)
			working, _ := old.observe(pod(1), test.holds, false, false)
			old.begin(working, pod(1), test.holds, false)
			c, _ := s.claim("uid", "")
			test.meanwhile(c)
			sequence, verdict := c.observe(pod(1), test.shows, false, false)
			old.Ack(working, pod(1), test.holds, false)
			if _, _, _, superseded := c.begin(sequence, pod(1), test.shows, false); superseded || verdict != Deliver {
				t.Errorf("superseded %t, verdict %v", superseded, verdict)
			}
		})
	}
}

// What a worker of an owner before holds lingers until that worker gives it up, or what has taken
// its place in the queue.
func TestWhatLingersIsGivenUp(t *testing.T) {
	for _, what := range []string{"what is in work", "what has taken its place"} {
		t.Run(what, func(t *testing.T) {
			s := newStored(t)
			old, _ := s.claim("uid", "")
			s.fill(old)
			before, _ := old.observe(pod(1), at(uid3, 20), false, false)
			working, _ := old.observe(pod(1), at(uid3, 21), false, false)
			old.begin(working, pod(1), at(uid3, 21), false)
			waiting, _ := old.observe(pod(1), at(uid3, 22), false, false)
			c, _ := s.claim("uid", "")
			c.BeginSnapshot()
			old.Ack(waiting, pod(1), at(uid3, 22), false) // says nothing: nobody has begun it
			if acked, _, _ := c.Lookup(pod(1)); acked != at(uid3, 11) {
				t.Errorf("acked %v", acked)
			}
			given, v := working, at(uid3, 21)
			if what != "what is in work" {
				given, v = waiting, at(uid3, 22)
			}
			for _, step := range []struct {
				sequence uint64
				version  Version
				again    bool
			}{{before, at(uid3, 20), false}, {given, v, true}} {
				if _, _, _, superseded := old.begin(step.sequence, pod(1), step.version, false); !superseded {
					t.Errorf("%v is handed over", step.version)
				}
				if _, _, err := c.Redeliver(pod(1), at(uid3, 11), false); (err == nil) != step.again {
					t.Errorf("when %v is given up, the acked state is sent again: %v", step.version, err)
				}
			}
			if _, verdict := c.observe(pod(1), at(uid3, 11), false, true); verdict != Duplicate {
				t.Errorf("verdict %v on what the sink has", verdict)
			}
		})
	}
}

// What a new owner observes may have the generation that was raised for it: it is handed over
// once the store knows of that.
func TestANewOwnerWaitsForItsGeneration(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	working, _ := old.observe(pod(1), at(uid3, 30), false, false)
	old.begin(working, pod(1), at(uid3, 30), false)
	s.commit(true)
	c, _ := s.claim("uid", "")
	o := c.Observe(pod(2), at(uuid(2), 31), false, false, nil)
	if _, _, unstored, _ := c.begin(o.Sequence, pod(2), at(uuid(2), 31), false); !unstored {
		t.Error("it is handed over at once")
	}
	s.commit(false)
	if _, _, unstored, _ := c.begin(o.Sequence, pod(2), at(uuid(2), 31), false); unstored {
		t.Error("it waits once that is stored")
	}
}

// Once something newer is begun, the ack of what a worker of an owner before held is of
// nothing that the sink has last.
func TestWhatLingersIsOverOnceSomethingNewerIsBegun(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.fill(old)
	working, _ := old.observe(pod(1), at(uid3, 21), false, false)
	old.begin(working, pod(1), at(uid3, 21), false)
	c, _ := s.claim("uid", "")
	sequence, _ := c.observe(pod(1), at(uid3, 22), false, false)
	c.begin(sequence, pod(1), at(uid3, 22), false)
	old.Ack(working, pod(1), at(uid3, 21), false)
	if acked, pending, _ := c.Lookup(pod(1)); acked != at(uid3, 11) || !pending {
		t.Errorf("acked %v, pending %t", acked, pending)
	}
	c.Ack(sequence, pod(1), at(uid3, 22), false)
	old.Ack(working, pod(1), at(uid3, 21), false)
	if acked, pending, _ := c.Lookup(pod(1)); acked != at(uid3, 22) || pending {
		t.Errorf("in the end: acked %v, pending %t", acked, pending)
	}
}
