package ledger

import (
	"errors"
	"slices"
	"testing"
)

// The store does not take the term's part, and the process is killed after a cursor's that became
// another one's: what it was begins above it all the same.
func TestBecomingIsNotStoredBeforeTheGeneration(t *testing.T) {
	s := newStored(t)
	was := s.in("", "")
	s.fillIn(was, 4)
	s.commit(true)
	generation := was.head.Generation
	s.in("a", "a")
	refused := 0
	s.store.around = func(apply func() error) error {
		if refused++; refused <= 2 { // all at once, and the term's
			return errPoison
		}
		return apply()
	}
	if err := s.ledger.writer.commit(t.Context(), true); !errors.Is(err, errPoison) || refused < 2 {
		t.Fatalf("%d transactions: %v", refused, err)
	}
	s.store.around = nil
	s.open()
	s.in("a", "", "a")
	if c := s.in("", "", "a"); c.key != was.key && c.head.Generation <= generation {
		t.Errorf("generation %d after %d", c.head.Generation, generation)
	}
	s.commit(true)
	s.open()
	s.in("a", "a")
	s.commit(true) // once it is put back, it is stored
	s.reopened()
}

// A cursor that becomes another one's has numbers above those that were given under that name.
func TestNumbersOfACursorThatBecomes(t *testing.T) {
	s := newStored(t)
	was := s.in("", "")
	s.fillIn(was, 4)
	before := s.in("a", "a", "")
	s.fillIn(before, 2)
	last := before.numbers.last
	s.ledger.Drop(before.ID())
	if c := s.in("a", "a"); c.key != was.key || c.numbers.last < last {
		t.Errorf("number %d after %d, key %q for %q", c.numbers.last, last, c.key, was.key)
	}
}

// moveTo returns the move of all that a cursor has to another, which there is.
func (s *stored) moveTo(from, to *Cursor, between func()) *move {
	return &move{
		from: from, whole: &from.cluster.whole, atOnce: lookedAtOnce, between: between,
		to: func() *Cursor { return to },
		in: func(string) bool { return true },
	}
}

// What is acked between two steps, by a worker that began before, is no reason for it to stay.
func TestAckedBetweenTheStepsOfAMove(t *testing.T) {
	const n = 2 * lookedAtOnce
	for name, lost := range map[string]bool{"begun for the owner": false, "begun for an owner before": true} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			from := s.in("", "")
			s.fillIn(from, n)
			to := s.in("c", "c", "")
			held, v := Name{"d", "held"}, at(uuid(n), 60)
			o := from.Observe(held, v, false, false, nil)
			from.begin(o.Sequence, held, v, false)
			if lost {
				s.in("", "", "c") // Ack goes through the handle of before
			}
			m := s.moveTo(from, to, nil)
			if !lost {
				m.in = func(namespace string) bool { return namespace == "d" }
			}
			m.between = func() { from.Ack(o.Sequence, held, v, false) }
			m.run()
			if known := to.knows(held); !known || from.knows(held) {
				t.Errorf("known where it moves to: %v, and where it was: %v", known, from.knows(held))
			}
			if empty := from.Stats().Known == 0; lost && !empty {
				t.Errorf("%+v stay", from.Stats())
			}
		})
	}
}

func (c *Cursor) knows(n Name) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	return c.acked.get(key) != nil || len(c.unackedUIDs[name(key)]) > 0
}

// What was dropped does not move any more.
func TestDroppedBeforeAMove(t *testing.T) {
	for name, steps := range map[string]int{"before it begins": 0, "between two steps": 1} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			from := s.in("", "")
			s.fillIn(from, 3*lookedAtOnce)
			to := s.in("c", "c", "")
			drop := func() { s.ledger.Drop(from.ID()) }
			if steps == 0 {
				drop()
			}
			m := s.moveTo(from, to, drop)
			if m.run() || to.Stats().Known != steps*lookedAtOnce {
				t.Errorf("%d objects have moved", to.Stats().Known)
			}
		})
	}
}

// A snapshot that the other cursor begins between two steps does not tell what moves after that.
func TestSnapshotBetweenTheStepsOfAMove(t *testing.T) {
	s := newStored(t)
	from := s.in("", "")
	s.fillIn(from, 2*lookedAtOnce+1)
	to := s.in("c", "c", "")
	m := s.moveTo(from, to, func() { s.tell(to, nil) })
	m.run()
	if at, ok := to.Start(); ok || to.ResumePoint() != "" {
		t.Errorf("it goes on at %q, with %d objects that no snapshot has told", at, to.Stats().Known)
	}
}

// Who follows again what was followed before, beside a stream that has taken objects of it, is to
// be told of what that one has deleted: also if the process was killed between two steps of that.
func TestFollowedAgainAfterAMove(t *testing.T) {
	const n = 2*lookedAtOnce + 1
	for name, test := range map[string]struct {
		moves func(s *stored, from *Cursor)
	}{
		"some": {moves: func(s *stored, _ *Cursor) {
			s.in("b", "b", "a")
			s.commit(false)
			s.open()
		}},
		"all, and a kill": {moves: func(s *stored, from *Cursor) {
			to := s.in("a", "a", "")
			s.commit(true)
			m, killed := s.moveTo(from, to, nil), (*memStore)(nil)
			m.between = func() {
				if killed == nil {
					s.commit(false)
					killed = s.store.copied()
				}
			}
			m.run()
			s.store = killed
			s.open()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			from := s.in("", "")
			s.fillIn(from, n)
			generation := from.head.Generation
			test.moves(s, from)
			s.in("a", "", "a", "b")
			c := s.in("", "", "a", "b")
			at, ok := c.Start()
			if ok || c.Stats().Known == 0 || c.head.Generation <= generation {
				t.Errorf("it goes on at %q in generation %d after %d, with %d objects", at, c.head.Generation, generation, c.Stats().Known)
			}
			for o := range c.acked.all() {
				if o.due != c.due {
					t.Error("what has stayed is due again")
					break
				}
			}
			if c.head.Selection != (Selection{}) {
				t.Errorf("it selects %+v", c.head.Selection)
			}
		})
	}
}

// Who follows again what was followed before, and nothing beside it, has all of it back: but for
// what is gone, nothing is due.
func TestFollowedAgainAlone(t *testing.T) {
	s := newStored(t)
	all := objectsIn("a", "b", "c")
	s.tell(s.in("", ""), all)
	x := Name{"b", "x"}
	s.tell(s.in("b", "b", "a"), map[Name]Version{x: all[x]})
	s.commit(true)
	s.open()
	if told := s.tell(s.in("", ""), all); !slices.Equal(told, []string{"+c"}) {
		t.Errorf("told %v", told)
	}
}
