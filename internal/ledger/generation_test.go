package ledger

import (
	"errors"
	"testing"
	"time"
)

// The generation is another one wherever the same state may be told again although
// something else was told in between, and nowhere else.
func TestGenerations(t *testing.T) {
	listed := func(c *Cursor, n Name, v Version) uint32 {
		c.BeginSnapshot()
		o := c.Observe(n, v, false, true, nil)
		c.begin(o.Sequence, n, v, false)
		c.Ack(o.Sequence, n, v, false)
		return c.head.Generation
	}
	// Each snapshot shows a version that the sink does not accept.
	unaccepted := func(c *Cursor, n Name, versions ...Version) uint32 {
		for _, v := range versions {
			c.BeginSnapshot()
			c.observe(n, v, false, true)
			endSnapshot(c, "40")
			c.Seen("40")
		}
		return c.head.Generation
	}
	for name, test := range map[string]struct {
		does func(s *stored, c *Cursor) uint32
		want uint32
	}{
		"a snapshot that shows what is known":   {func(s *stored, c *Cursor) uint32 { s.fillAgain(c, 2); s.endAgain(c); return c.head.Generation }, 0},
		"a snapshot that shows something newer": {func(_ *stored, c *Cursor) uint32 { return listed(c, pod(1), at(uid3, 30)) }, 0},
		"a snapshot that shows an older state":  {func(_ *stored, c *Cursor) uint32 { return listed(c, pod(1), at(uid3, 5)) }, 1},
		"one that shows two": {func(_ *stored, c *Cursor) uint32 {
			c.BeginSnapshot()
			c.observe(pod(1), at(uid3, 5), false, true)
			c.observe(pod(2), at(uuid(2), 6), false, true)
			endSnapshot(c, "7")
			return c.head.Generation
		}, 1},
		"one that shows an older UID": {func(_ *stored, c *Cursor) uint32 { return listed(c, pod(1), at(uuid(7), 5)) }, 1},
		"one that ends before what has been seen": {func(_ *stored, c *Cursor) uint32 {
			c.Seen("40")
			c.BeginSnapshot()
			endSnapshot(c, "39")
			return c.head.Generation
		}, 1},
		"one that shows what was deleted": {func(s *stored, c *Cursor) uint32 {
			s.hand(c, 2, at(uuid(2), 30), true, false)
			return listed(c, pod(2), at(uuid(2), 12))
		}, 1},
		"one that shows what was acked before a UID that is noted": {func(s *stored, c *Cursor) uint32 {
			c.observe(pod(1), at(uuid(8), 30), false, false)
			s.commit(true)
			another, _ := s.claim("uid", "digest")
			return listed(another, pod(1), at(uid3, 11))
		}, 1},
		"that, of what has been observed and accepted since a kill": {func(s *stored, _ *Cursor) uint32 {
			s.open()
			c := s.reach()
			s.hand(c, 1, at(uid3, 29), false, false)
			s.hand(c, 1, at(uid3, 30), false, false)
			c.observe(pod(1), at(uuid(8), 31), false, false)
			s.commit(true)
			another, _ := s.claim("uid", "digest")
			return listed(another, pod(1), at(uid3, 30))
		}, 2},
		"the same after a restart": {func(s *stored, c *Cursor) uint32 {
			c.Seen("40")
			s.stop()
			c = s.reach()
			c.InvalidateResumePoint()
			c.BeginSnapshot()
			endSnapshot(c, "39")
			return c.head.Generation
		}, 1},
		"three that show the same older state, which is not accepted": {func(_ *stored, c *Cursor) uint32 {
			return unaccepted(c, pod(1), at(uid3, 5), at(uid3, 5), at(uid3, 5))
		}, 1},
		"three that show an older state each": {func(_ *stored, c *Cursor) uint32 {
			return unaccepted(c, pod(1), at(uid3, 5), at(uid3, 4), at(uid3, 3))
		}, 3},
		"two that show what was deleted, which is not accepted": {func(s *stored, c *Cursor) uint32 {
			s.hand(c, 2, at(uuid(2), 30), true, false)
			return unaccepted(c, pod(2), at(uuid(2), 12), at(uuid(2), 12))
		}, 1},
		"two that show what came before a state that is accepted in between": {func(_ *stored, c *Cursor) uint32 {
			sequence, _ := c.observe(pod(1), at(uid3, 30), false, false)
			c.begin(sequence, pod(1), at(uid3, 30), false)
			unaccepted(c, pod(1), at(uid3, 11))
			c.Ack(sequence, pod(1), at(uid3, 30), false)
			return unaccepted(c, pod(1), at(uid3, 11))
		}, 1},
		"what comes back after all was told to be gone": {func(_ *stored, c *Cursor) uint32 {
			for d := range c.Retire() {
				c.begin(d.Sequence, d.Name, d.Version, true)
				c.Ack(d.Sequence, d.Name, d.Version, true)
			}
			return listed(c, pod(1), at(uid3, 11))
		}, 1},
		"a stop with everything acked": {func(s *stored, _ *Cursor) uint32 { s.stop(); return s.reach().head.Generation }, 0},
		"a stop before an ack": {func(s *stored, c *Cursor) uint32 {
			sequence, _ := c.observe(pod(1), at(uid3, 30), false, false)
			c.begin(sequence, pod(1), at(uid3, 30), false)
			s.stop()
			return s.reach().head.Generation
		}, 1},
		"a kill":                       {func(s *stored, _ *Cursor) uint32 { s.open(); return s.reach().head.Generation }, 1},
		"another one before the first": {func(s *stored, _ *Cursor) uint32 { s.open(); s.reach(); s.open(); return s.reach().head.Generation }, 1},
		"a kill after a stop that nothing followed": {func(s *stored, _ *Cursor) uint32 {
			s.stop()
			s.open()
			s.commit(true)
			s.open()
			return s.reach().head.Generation
		}, 0},
		"a kill after a stop and a change": {func(s *stored, _ *Cursor) uint32 {
			s.stop()
			c := s.reach()
			sequence, _ := c.observe(pod(1), at(uid3, 30), false, false)
			if _, _, unstored, _ := c.begin(sequence, pod(1), at(uid3, 30), false); !unstored {
				s.Error("what the store takes for settled is handed over")
			}
			s.commit(true)
			s.open()
			return s.reach().head.Generation
		}, 1},
		"a replay": {func(_ *stored, c *Cursor) uint32 { c.RaiseDue(); return listed(c, pod(1), at(uid3, 11)) }, 0},
		"another selection, and back": {func(s *stored, c *Cursor) uint32 {
			for _, labels := range []string{"a=b", "a=b", ""} {
				c, _ = s.ledger.Claim(Claiming{ID: c.ID(), Digest: "digest", Selection: Selection{Labels: labels}, Mine: c})
			}
			return c.head.Generation
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			c := s.reach()
			s.fill(c)
			s.commit(true)
			if got := test.does(s, c); got != test.want {
				t.Errorf("generation %d, want %d", got, test.want)
			}
		})
	}
}

// Nothing is handed over in a generation that a process after a kill would not know.
func TestBeginWaitsForTheGeneration(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		sequence, _ := c.observe(pod(0), at20(0), false, false)
		r.begins(time.Second, sequence, pod(0), at20(0))
		c.Ack(sequence, pod(0), at20(0), false)
		c.Seen("30")
		time.Sleep(2 * time.Second)
		r.store.fail(errors.New("disk full"))
		before, _ := c.observe(pod(0), at(uuid(0), 31), false, false)
		if _, _, unstored, _ := c.begin(before, pod(0), at(uuid(0), 31), false); unstored {
			t.Error("what is known waits")
		}
		c.BeginSnapshot()
		o := c.Observe(pod(0), at(uuid(0), 15), false, true, nil)
		if _, _, unstored, _ := c.begin(o.Sequence, pod(0), at(uuid(0), 15), false); !unstored || o.Generation != 1 {
			t.Errorf("what is of generation %d does not wait", o.Generation)
		}
		r.store.fail(nil)
		r.begins(time.Minute, o.Sequence, pod(0), at(uuid(0), 15))
		// A kill adds another one.
		if again := r.restart(); again.head.Generation != 2 {
			t.Errorf("the store has generation %d", again.head.Generation)
		}
	})
}

// Nothing is begun any more once the last transaction is put together: a restart would
// not suspect it.
func TestNothingIsHandedOverAtTheEnd(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	sequence, _ := c.observe(pod(1), at(uid3, 30), false, false)
	c.begin(sequence, pod(1), at(uid3, 30), false)
	c.Ack(sequence, pod(1), at(uid3, 30), false)
	sequence, _ = c.observe(pod(1), at(uid3, 31), false, false)
	s.commit(true)
	c.close()
	if _, _, _, superseded := c.Begin(sequence, pod(1), at(uid3, 31), false); !superseded {
		t.Error("a change is handed over")
	}
}

// After another owner has taken over, a restored backup may show what came before that
// which a worker still holds, or before another UID that the sink may hold. It was delivered
// in the generation before, with something else since: it has a new one. So have its later
// observations, although nothing else is unacked by then. What is observed again as it was
// begun keeps its generation: that is a repeat.
func TestAFirstObservationBesideSomethingElseHasANewGeneration(t *testing.T) {
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := StreamID{Cluster: "a", Resource: "pods"}
	l.Join("a")
	c, _ := l.claimAs(id, "")
	a, b := Name{"ns", "a"}, Name{"ns", "b"}
	c.BeginSnapshot()
	deliver(t, c, a, at(uid1, 5), false, true)
	endSnapshot(c, "6")
	c.Seen("6")
	held, _ := c.observe(a, at(uid2, 7), false, false)
	c.begin(held, a, at(uid2, 7), false)
	waiting := c.Observe(b, at(uid3, 8), false, false, nil)
	before := waiting.Generation

	c, _ = l.claimAs(id, "")
	c.BeginSnapshot()
	if got := c.Observe(a, at(uid1, 5), false, true, nil); got.Verdict != Deliver || got.Generation != before+1 {
		t.Errorf("shown again beside what a worker holds: %+v, want generation %d", got, before+1)
	}
	if got := c.Observe(b, at(uid3, 8), false, true, nil); got.Verdict != Deliver || got.Generation != before {
		t.Errorf("shown again as it was: %+v, want generation %d", got, before)
	}
	deliver(t, c, a, at(uid1, 9), false, true)
	if got := c.Observe(a, at(uid1, 10), false, true, nil); got.Generation != before+1 {
		t.Errorf("shown later: %+v, want generation %d", got, before+1)
	}
}
