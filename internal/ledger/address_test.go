package ledger

import (
	"slices"
	"testing"
)

// reach opens the ledger anew, for these sinks, and returns its cursor.
func (s *stored) reach(sinks ...string) *Cursor {
	s.Helper()
	l, err := Open(s.Context(), Options{Store: s.store, Sinks: sinks})
	if err != nil {
		s.Fatal(err)
	}
	l.Join("a")
	s.ledger = l
	c, _ := s.claim("uid", "digest")
	return c
}

func (s *stored) wantOwed(c *Cursor, form, want string) {
	s.Helper()
	if got := c.Address(form); got != want {
		s.Errorf("owed because %q, want %q", got, want)
	}
	if _, ok := c.Start(); ok == (want != "") {
		s.Errorf("a watch may start: %t, with %q", ok, want)
	}
}

// fillAgain takes the cursor through a snapshot of the objects of fill, up to
// the given number of them, and returns how many were to be delivered.
func (s *stored) fillAgain(c *Cursor, objects int) (delivered int) {
	s.Helper()
	c.BeginSnapshot()
	for i, v := range []Version{at(uid3, 11), at(uuid(2), 12)}[:objects] {
		sequence, verdict := c.Observe(pod(i+1), v, false, true)
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

// addressed is a ledger whose objects the sink "a" has, whole.
func addressed(t *testing.T) *stored {
	t.Helper()
	s := newStored(t)
	c := s.reach("a")
	s.wantNew(c)
	s.fill(c)
	s.commit(true)
	return s
}

// wantNew expects that nothing is owed, because there is nothing.
func (s *stored) wantNew(c *Cursor) {
	s.Helper()
	if owed := c.Address("whole"); owed != "" || c.head.Owed {
		s.Errorf("an empty cursor owes, because %q", owed)
	}
}

func TestAddress(t *testing.T) {
	const added = `sinks ["b"] were not there before`
	for name, test := range map[string]struct {
		runs [][]string // sinks of each process after the first
		form string     // of the last
		want string     // of the last
	}{
		"as before":                    {[][]string{{"a"}}, "whole", ""},
		"a sink added":                 {[][]string{{"a", "b"}}, "whole", added},
		"a sink removed":               {[][]string{{}}, "whole", ""},
		"another sink":                 {[][]string{{"b"}}, "whole", added},
		"removed and added again":      {[][]string{{}, {"a"}}, "whole", `sinks ["a"] were not there before`},
		"another form":                 {[][]string{{"a"}}, "metadata", `delivered as "metadata" now, as "whole" before`},
		"added, and crashed":           {[][]string{{"a", "b"}, {"a", "b"}}, "whole", "it was due before, and has not been done"},
		"added, crashed and removed":   {[][]string{{"a", "b"}, {"a"}}, "whole", "it was due before, and has not been done"},
		"added, crashed and one added": {[][]string{{"a", "c"}, {"a", "b", "c"}}, "whole", added},
	} {
		t.Run(name, func(t *testing.T) {
			s := addressed(t)
			last := len(test.runs) - 1
			for _, sinks := range test.runs[:last] {
				s.reach(sinks...).Address("whole")
				s.commit(true)
			}
			c := s.reach(test.runs[last]...)
			s.wantOwed(c, test.form, test.want)
			want := 0
			if test.want != "" {
				want = 2
			}
			if got := s.fillAgain(c, 2); got != want {
				t.Errorf("a snapshot delivers %d of 2, want %d", got, want)
			}
			s.endAgain(c)
			// It is done, and is known to be.
			s.wantOwed(c, test.form, "")
			if got := s.fillAgain(c, 2); got != 0 {
				t.Errorf("a second snapshot delivers %d", got)
			}
			s.endAgain(c)
			s.commit(true)
			c = s.reach(test.runs[last]...)
			s.wantOwed(c, test.form, "")
			s.wantKnown(c, "20", 2)
		})
	}
}

// Only a whole snapshot that is acked settles what is owed.
func TestOwedUntilAllIsAcked(t *testing.T) {
	s := addressed(t)
	c := s.reach("a", "b")
	c.Address("whole")
	if got := s.fillAgain(c, 1); got != 1 {
		t.Fatalf("a snapshot delivers %d of 1", got)
	}
	s.commit(true)

	c = s.reach("a", "b") // killed amid the snapshot
	s.wantOwed(c, "whole", "it was due before, and has not been done")
	c.BeginSnapshot()
	s.hand(c, 1, at(uid3, 11), false, true)
	slow, _ := c.Observe(pod(2), at(uuid(2), 12), false, true)
	c.begin(slow, pod(2), at(uuid(2), 12), false)
	s.endAgain(c)
	s.commit(true)
	if !s.reach("a", "b").head.Owed {
		t.Error("a restart forgets what is owed, before all of it is acked")
	}
	c.Ack(slow, pod(2), at(uuid(2), 12), false)
	s.wantOwed(c, "whole", "")
}

// What has nothing owes nothing, whoever it is for, and however often that
// changes.
func TestNothingIsOwedOfNothing(t *testing.T) {
	s := newStored(t)
	for _, sinks := range [][]string{{"a"}, {"a", "b"}, {}, {"b"}} {
		c := s.reach(sinks...)
		s.wantNew(c)
		s.commit(true)
		if !slices.Equal(c.head.Sinks, sinks) {
			t.Errorf("remembers sinks %q, want %q", c.head.Sinks, sinks)
		}
	}
}

// A sink may hold what was begun and never acked.
func TestOwedOfWhatIsHeld(t *testing.T) {
	s := newStored(t)
	c := s.reach("a")
	s.wantNew(c)
	sequence, _ := c.Observe(pod(1), at(uid3, 11), false, false)
	c.begin(sequence, pod(1), at(uid3, 11), false)
	s.commit(true)
	s.wantOwed(s.reach("a", "b"), "whole", `sinks ["b"] were not there before`)
}

// Acks are never stored under the sinks that there were before, who do not have
// them, also when they go along with a note: those sinks may come back.
func TestAcksAreStoredWithTheirSinks(t *testing.T) {
	for name, fails := range map[string]bool{"at once": false, "at the second try": true} {
		t.Run(name, func(t *testing.T) {
			s := addressed(t)
			c := s.reach("b")
			c.Address("whole")
			c.BeginSnapshot()
			s.hand(c, 1, at(uid3, 30), false, true)
			sequence, _ := c.Observe(pod(3), at(uuid(3), 31), false, true)
			c.begin(sequence, pod(3), at(uuid(3), 31), false)
			if s.store.failing = fails; fails {
				if err := s.ledger.writer.commit(t.Context(), false); err == nil {
					t.Fatal("a store that fails does not")
				}
				s.store.failing = false
			}
			s.commit(false)
			s.wantOwed(s.reach("a"), "whole", `sinks ["a"] were not there before`)
		})
	}
}
