package ledger

import (
	"slices"
	"testing"
)

// handOver takes a state or a deletion as far as a worker does, and reports whether it was handed over.
func handOver(c *Cursor, o Observation, n Name, v Version, deleted bool) bool {
	if _, _, _, superseded := c.begin(o.Sequence, n, v, deleted); superseded {
		return false
	}
	c.Ack(o.Sequence, n, v, deleted)
	return true
}

// A stream has taken over what nobody followed, and is to tell that it is gone. When that is
// followed again before it has told so, it is there: its own stream takes it back, delivers it once
// more, as it may have been told to be gone, and the first one says nothing of it.
func TestFollowedAgainBeforeItIsTold(t *testing.T) {
	for name, seen := range map[string]bool{"in the snapshot": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			x, y := Name{"b", "x"}, Name{"c", "x"}
			all := map[Name]Version{x: at(uuid(1), 10), y: at(uuid(2), 11)}
			s.tell(s.in("", ""), all)
			s.in("b", "b")
			b := s.in("b", "b", "c")
			b.BeginSnapshot()
			b.Observe(x, all[x], false, true, nil)
			gone := slices.Collect(b.EndSnapshot("50"))
			if len(gone) != 1 || gone[0].Name != y {
				t.Fatalf("tombstones %v", gone)
			}
			if seen {
				b.Seen("50")
			}
			c := s.in("c", "b", "c")
			if handOver(b, Observation{Sequence: gone[0].Sequence}, y, gone[0].Version, true) {
				t.Error("it is told to be gone, and is followed again")
			}
			if !seen {
				b.Seen("50")
			}
			if told := s.tell(c, map[Name]Version{y: all[y]}); !slices.Equal(told, []string{"+c"}) {
				t.Errorf("the stream of its namespace tells %v", told)
			}
			b.mu.Lock()
			resume, selects := b.head.Resume, b.head.Selection.Where
			b.mu.Unlock()
			if !b.Owned() || resume != "50" || selects != "" || b.Stats() != (Stats{Known: 1}) {
				t.Errorf("the other stream is the owner: %v, resume point %q, selects %q, %+v", b.Owned(), resume, selects, b.Stats())
			}
			if told := s.tell(b, map[Name]Version{x: all[x]}); len(told) != 0 {
				t.Errorf("the other stream tells %v", told)
			}
			for _, c := range s.ledger.cursors {
				if u := c.recount(); u != c.usage {
					t.Errorf("%+v are counted of what takes %+v", c.usage, u)
				}
			}
		})
	}
}

// Where another stream takes over what nobody follows, and there is nothing to move yet, nothing is
// handed over any more that waits: nobody would know that the sink has it.
func TestWhatWaitsWhenAnotherStreamTakesOver(t *testing.T) {
	x, v := Name{"a", "x"}, at(uuid(1), 10)
	for name, followed := range map[string][]string{"all": {"b"}, "some": {"a", "b"}} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			from := s.in("", "")
			o := from.Observe(x, v, false, false, nil)
			s.in("b", followed...)
			if handOver(from, o, x, v, false) {
				t.Error("it is handed over")
			}
		})
	}
	t.Run("dropped", func(t *testing.T) {
		s := newStored(t)
		from := s.in("", "")
		o := from.Observe(x, v, false, false, nil)
		s.in("b", "b", "") // beside it
		s.in("b", "b")     // which has its place now
		if handOver(from, o, x, v, false) {
			t.Error("it is handed over")
		}
	})
}

// What a stream observes that others may have had is numbered above what they have told of it, also if
// the clock was set back, and has other ids.
func TestObjectsThatAnotherStreamHasTold(t *testing.T) {
	for name, test := range map[string]struct {
		before, next string // followed beside a
	}{
		"a new cursor":                   {"", "c"},
		"one that has lost some of them": {"b", ""}, // the cursor of all keeps what is in b
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			s.tell(s.in("", ""), objectsIn("a", "b", "c"))
			followed := []string{"a", test.before}
			if test.before == "" {
				followed = followed[:1]
			}
			a := s.in("a", followed...)
			a.mu.Lock()
			a.beginNumbersLocked(a.numbers.last + 1<<50)
			a.raiseGenerationLocked() // as after a kill
			a.raiseGenerationLocked()
			a.mu.Unlock()
			s.tell(a, objectsIn("a"))
			told, in := a.reached()
			if number, generation := s.in(test.next, "a", test.next).reached(); number < told || generation <= in {
				t.Errorf("number %d in generation %d, and the other stream has come to %d in %d", number, generation, told, in)
			}
		})
	}
	if _, generation := newStored(t).in("c", "a", "c").reached(); generation != 0 {
		t.Errorf("the first cursor of all begins in generation %d", generation)
	}
}

// A sink gets nothing of a new stream before the store has what others have told of its objects: a
// process that is killed would tell that once more, behind it.
func TestWhatOthersHaveToldIsStoredFirst(t *testing.T) {
	s := newStored(t)
	s.tell(s.in("", ""), objectsIn("a", "c"))
	s.commit(true)
	a := s.in("a", "a")
	s.commit(true)
	s.tell(a, objectsIn("a")) // what is in c is gone
	c := s.in("c", "a", "c")
	n, v := Name{"c", "x"}, at(uuid(9), 90)
	if _, _, unstored, superseded := c.begin(c.Observe(n, v, false, true, nil).Sequence, n, v, false); !unstored || superseded {
		t.Fatal("a new cursor's first object is handed over without an intent")
	}
	s.commit(false)
	s.open()
	for _, c := range s.ledger.cursors {
		if id := c.ID(); id.Namespace == "a" && c.Stats().Known != len(objectsIn("a")) {
			t.Errorf("%d objects are known after a kill, want %d", c.Stats().Known, len(objectsIn("a")))
		}
	}
}

// A cursor that goes on above another one's numbers still waits for the store to have what was raised last.
func TestTheLimitOfNumbersDoesNotFall(t *testing.T) {
	s := newStored(t)
	c := s.in("", "")
	s.tell(c, objectsIn("a"))
	c.mu.Lock()
	c.beginNumbersLocked(c.numbers.last + 1<<40) // far from the clock
	for range 3 {
		c.raiseGenerationLocked() // each asks for more
	}
	c.mu.Unlock()
	s.commit(true)
	c.mu.Lock()
	c.beginNumbersLocked(0)
	c.raiseGenerationLocked()
	c.mu.Unlock()
	n, v := Name{"a", "x"}, at(uuid(0), 30)
	o := c.Observe(n, v, false, false, nil)
	if _, _, unstored, _ := c.begin(o.Sequence, n, v, false); !unstored {
		t.Error("it may be handed over before the generation is stored")
	}
}

// What has moved in the last step of a move is stored before a sink is told that it is gone.
// A process that is killed before has it where it was, as accepted.
func TestWhatHasMovedIsStoredBeforeItIsTold(t *testing.T) {
	s := newStored(t)
	s.tell(s.in("", ""), objectsIn("b", "c"))
	s.commit(true)
	steps := 0
	s.ledger.moveAtOnce, s.ledger.between = 1, func() {
		if steps++; steps == 1 {
			s.commit(false)
		}
	}
	a := s.in("a", "a", "d")
	a.BeginSnapshot()
	all := slices.Collect(a.EndSnapshot("50"))
	if steps < 2 || len(all) != 3 {
		t.Fatalf("%d steps, %d tombstones", steps, len(all))
	}
	for _, d := range all {
		if _, _, unstored, _ := a.begin(d.Sequence, d.Name, d.Version, true); !unstored {
			t.Errorf("%v may be told to be gone", d.Name)
		}
	}
}
