package ledger

import (
	"slices"
	"testing"
)

// reach opens the ledger anew and returns its cursor.
func (s *stored) reach() *Cursor {
	s.Helper()
	s.open()
	s.ledger.Join("a")
	c, _ := s.claim("uid", "digest")
	return c
}

func (s *stored) wantDue(c *Cursor, form, want string) {
	s.Helper()
	if got := c.SetForm(form); got != want {
		s.Errorf("due because %q, want %q", got, want)
	}
}

// fillAgain takes the cursor through a snapshot of the objects of fill, up to
// the given number of them, and returns how many were to be delivered.
func (s *stored) fillAgain(c *Cursor, objects int) (delivered int) {
	s.Helper()
	c.BeginSnapshot()
	for i, v := range []Version{at(uid3, 11), at(uuid(2), 12)}[:objects] {
		sequence, verdict := c.observe(pod(i+1), v, false, true)
		if verdict != Deliver {
			continue
		}
		delivered++
		c.begin(sequence, pod(i+1), v, false)
		c.Ack(sequence, pod(i+1), v, false)
	}
	return delivered
}

func (s *stored) endAgain(c *Cursor) {
	endSnapshot(c, "20")
	c.Seen("20")
}

// addressed is a ledger whose objects the sink has, whole.
func addressed(t *testing.T) *stored {
	t.Helper()
	s := newStored(t)
	c := s.reach()
	s.wantDue(c, "whole", "")
	s.fill(c)
	s.commit(true)
	return s
}

const another = `delivered as "metadata" now, as "whole" before`

// Whatever makes everything due, a snapshot delivers all that it holds, one after it
// nothing, and each that is killed only what the ones before it have not.
func TestDue(t *testing.T) {
	for name, raise := range map[string]func(s *stored, c *Cursor){
		"another form": func(s *stored, c *Cursor) { s.wantDue(c, "metadata", another) },
		"a replay":     func(_ *stored, c *Cursor) { c.RaiseDue() },
		"a replay through an old handle": func(s *stored, c *Cursor) {
			_, _ = s.ledger.Claim(Claiming{ID: c.ID(), Digest: "digest"})
			c.RaiseDue()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := addressed(t)
			c := s.reach()
			raise(s, c)
			c, _ = s.claim("uid", "digest")
			form := c.head.Form
			if _, ok := c.Start(); ok || c.ResumePoint() != "" || c.Last() != "" {
				t.Error("a watch may start")
			}
			s.commit(true)
			c = s.reach()
			if _, ok := c.Start(); ok {
				t.Error("a watch may start after a restart")
			}
			if got := s.fillAgain(c, 1); got != 1 {
				t.Errorf("a snapshot delivers %d of 1", got)
			}
			s.commit(true)
			if d, err := Describe(t.Context(), s.store); err != nil || d[0].Redeliver != 1 {
				t.Errorf("described as %+v, %v", d, err)
			}
			c = s.reach() // killed amid the snapshot
			s.wantDue(c, form, "")
			if got := s.fillAgain(c, 2); got != 1 {
				t.Errorf("the next one delivers %d, want the other one", got)
			}
			s.endAgain(c)
			if got := s.fillAgain(c, 2); got != 0 {
				t.Errorf("one after it delivers %d", got)
			}
			s.endAgain(c)
			s.commit(true)
			c = s.reach()
			s.wantDue(c, form, "")
			s.wantKnown(c, "20", 2)
			if got := s.fillAgain(c, 2); got != 0 {
				t.Errorf("one after a restart delivers %d", got)
			}
		})
	}
}

// What was observed before everything became due counts for nothing, whenever it is
// begun and acked: it may be in the other form.
func TestAckOfWhatWasObservedBeforeItWasDue(t *testing.T) {
	s := addressed(t)
	c := s.reach()
	sequence, _ := c.observe(pod(1), at(uid3, 30), false, false)
	c.RaiseDue()
	c.begin(sequence, pod(1), at(uid3, 30), false)
	c.Ack(sequence, pod(1), at(uid3, 30), false)
	c.BeginSnapshot()
	if _, verdict := c.observe(pod(1), at(uid3, 30), false, true); verdict != Deliver {
		t.Errorf("verdict %v", verdict)
	}
}

// A snapshot that was under way has passed some objects already.
func TestASnapshotUnderWayIsNotEnoughForWhatIsDue(t *testing.T) {
	s := addressed(t)
	c := s.reach()
	c.BeginSnapshot()
	c.observe(pod(1), at(uid3, 11), false, true)
	c.RaiseDue()
	s.endAgain(c)
	c.Seen("31") // the watch goes on until it is cut
	if _, ok := c.Start(); ok || c.ResumePoint() != "" {
		t.Error("a watch may start")
	}
	s.fillAgain(c, 2)
	s.endAgain(c)
	s.wantKnown(c, "20", 2)
}

// After many replays no object is taken for done that was acked long before.
func TestDueNumbersWrapAround(t *testing.T) {
	s := addressed(t)
	c := s.reach()
	for range 1 << 16 {
		c.RaiseDue()
		c.nextEpochLocked()
	}
	if got := s.fillAgain(c, 2); got != 2 {
		t.Errorf("delivers %d of 2", got)
	}
}

// A sink may hold what was begun and never acked.
func TestDueOfWhatIsHeld(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.wantDue(c, "whole", "")
	sequence, _ := c.observe(pod(1), at(uid3, 11), false, false)
	c.begin(sequence, pod(1), at(uid3, 11), false)
	s.commit(true)
	s.wantDue(s.reach(), "metadata", another)
}

// Acks are never stored under the form that there was before, which may come back.
func TestAcksAreStoredWithTheirForm(t *testing.T) {
	for name, fails := range map[string]bool{"at once": false, "at the second try": true} {
		t.Run(name, func(t *testing.T) {
			s := addressed(t)
			c := s.reach()
			s.wantDue(c, "metadata", another)
			c.BeginSnapshot()
			s.hand(c, 1, at(uid3, 30), false, true)
			sequence, _ := c.observe(pod(3), at(uuid(3), 31), false, true)
			c.begin(sequence, pod(3), at(uuid(3), 31), false)
			if s.store.failing = fails; fails {
				if err := s.ledger.writer.commit(t.Context(), false); err == nil {
					t.Fatal("a store that fails does not")
				}
				s.store.failing = false
			}
			s.commit(false)
			s.wantDue(s.reach(), "whole", `delivered as "whole" now, as "metadata" before`)
		})
	}
}

// Some objects are due: a snapshot delivers these, once, also if it is interrupted, and no
// other.
func TestSomeAreDue(t *testing.T) {
	for name, before := range map[string]func(s *stored, c *Cursor){
		"the first time":        func(*stored, *Cursor) {},
		"after a replay of all": func(s *stored, c *Cursor) { c.RaiseDue(); s.fillAgain(c, 2); s.endAgain(c) },
		"after one of the other": func(s *stored, c *Cursor) {
			c.RaiseDueOf(slices.Values([]Name{pod(1)}))
			s.fillAgain(c, 2)
			s.endAgain(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := addressed(t)
			c := s.reach()
			before(s, c)
			s.commit(true)
			c = s.reach()
			if n := c.RaiseDueOf(slices.Values([]Name{pod(99)})); n != 0 || c.ResumePoint() == "" {
				t.Errorf("%d objects that nobody knows are due, resume point %q", n, c.ResumePoint())
			}
			if n := c.CountAcked(c.Names()); n != 2 {
				t.Errorf("%d objects are acked", n)
			}
			if n := c.RaiseDueOf(slices.Values([]Name{pod(2), pod(99), pod(2)})); n != 1 {
				t.Errorf("%d objects are due", n)
			}
			if _, ok := c.Start(); ok || c.ResumePoint() != "" {
				t.Error("a watch may start")
			}
			s.commit(true)
			c = s.reach() // killed before it began
			if n := s.fillAgain(c, 1); n != 0 {
				t.Errorf("%d that are not due are delivered", n)
			}
			s.commit(true)
			c = s.reach() // and in the middle
			if n := s.fillAgain(c, 2); n != 1 {
				t.Errorf("%d are delivered, want 1", n)
			}
			s.endAgain(c)
			s.commit(true)
			c = s.reach()
			if c.ResumePoint() != "20" {
				t.Errorf("resume point %q", c.ResumePoint())
			}
			if n := s.fillAgain(c, 2); n != 0 {
				t.Errorf("%d are delivered once more", n)
			}
		})
	}
}

// That everything is due is stored, also where there is no resume point to give up, and
// never later than the acks that count for it: another replay would take them for its own.
func TestThatAllIsDueIsStored(t *testing.T) {
	t.Run("without a resume point", func(t *testing.T) {
		s := addressed(t)
		c := s.reach()
		c.RaiseDue()
		s.fillAgain(c, 2) // and not to the end
		s.commit(true)
		c.RaiseDue()
		s.commit(true)
		if got := s.fillAgain(s.reach(), 2); got != 2 {
			t.Errorf("%d of 2 are delivered after a restart", got)
		}
	})
	t.Run("before acks", func(t *testing.T) {
		s := addressed(t)
		c := s.reach()
		s.hand(c, 1, at(uid3, 25), false, false)
		s.commit(true)
		c.RaiseDue()
		c.BeginSnapshot()
		s.hand(c, 1, at(uid3, 30), false, true)
		sequence, _ := c.observe(pod(3), at(uuid(3), 31), false, true)
		c.begin(sequence, pod(3), at(uuid(3), 31), false)
		s.commit(false) // the intent, and the ack with it
		c = s.reach()
		c.RaiseDue()
		s.commit(true)
		c = s.reach()
		c.BeginSnapshot()
		if _, verdict := c.observe(pod(1), at(uid3, 30), false, true); verdict != Deliver {
			t.Errorf("verdict %v on what was delivered before the second replay", verdict)
		}
	})
}

// A state that is sent again is as it was delivered before, and not what is due.
func TestWhatIsSentAgainIsStillDue(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	c.RaiseDue()
	_, sequence, err := c.Redeliver(a, at(uid1, 10), false)
	if _, _, _, superseded := c.begin(sequence, a, at(uid1, 10), false); err != nil || superseded {
		t.Fatalf("sent again: %v, superseded %t", err, superseded)
	}
	c.Ack(sequence, a, at(uid1, 10), false)
	c.BeginSnapshot()
	if _, verdict := c.observe(a, at(uid1, 10), false, true); verdict != Deliver {
		t.Errorf("verdict %v", verdict)
	}
}
