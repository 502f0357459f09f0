package ledger

import (
	"fmt"
	"testing"
)

// fillIn takes a cursor through a snapshot of n objects, by turns in two namespaces.
func (s *stored) fillIn(c *Cursor, n int) map[Name]Version {
	s.Helper()
	objects := map[Name]Version{}
	for i := range n {
		objects[Name{string(rune('a' + i%2)), fmt.Sprint("pod-", i)}] = at(uuid(i), 10+i%40)
	}
	if told := s.tell(c, objects); len(told) != n {
		s.Fatalf("%d of %d are delivered", len(told), n)
	}
	return objects
}

// Who is killed after any step of a move has each object in one of the two cursors, and goes
// on with the rest. No lock is held for more objects than in a step.
func TestKilledBetweenTheStepsOfAMove(t *testing.T) {
	const n, hold = 4 * lookedAtOnce, 3 // objects; how many of them are unacked UIDs
	for name, all := range map[string]bool{"some": false, "all that stays": true} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			from := s.in("", "")
			objects := s.fillIn(from, n-hold)
			from.mu.Lock()
			for i := range hold {
				n, v := Name{"a", fmt.Sprint("held-", i)}, at(uuid(n+i), 60)
				from.hold(n, v)
				from.touchLocked(nameOfTest(n))
				objects[n] = v
			}
			from.mu.Unlock()
			s.commit(true)
			id := from.ID()
			id.Namespace = "a"
			steps, generation := 0, from.head.Generation
			m := move{
				from: from, whole: &from.cluster.whole, atOnce: lookedAtOnce,
				to: func() *Cursor {
					if from.cluster.whole.TryLock() {
						t.Error("the writer may take one of the cursors within a step")
						from.cluster.whole.Unlock()
					}
					s.ledger.mu.Lock() // which is free
					defer s.ledger.mu.Unlock()
					if c := s.ledger.cursors[id]; c != nil {
						return c
					}
					return s.ledger.newSelectionLocked(id, Selection{Namespace: "a"})
				},
				in: func(namespace string) bool { return all || namespace == "a" },
				between: func() {
					steps++
					if steps%2 == 0 {
						return // two are stored at once
					}
					s.commit(false)
					s.wantOnce(objects)
				},
			}
			if empty := m.run(); empty != all {
				t.Errorf("empty is %v", empty)
			}
			if steps < 4 || m.most > lookedAtOnce {
				t.Errorf("%d steps, of at most %d objects", steps, m.most)
			}
			s.commit(false)
			s.wantOnce(objects)
			to := s.ledger.cursors[id]
			if to.head.Generation != generation+1 || to.numbers.last < from.numbers.last {
				t.Errorf("generation %d after %d, number %d after %d", to.head.Generation, generation, to.numbers.last, from.numbers.last)
			}
			for _, c := range s.ledger.cursors {
				if u := c.recount(); u != c.usage {
					t.Errorf("%+v are counted of what takes %+v", c.usage, u)
				}
			}
		})
	}
}

// wantOnce wants the store to have each of some objects once, and a process that begins now to
// take over all of them.
func (s *stored) wantOnce(objects map[Name]Version) {
	s.Helper()
	next := &stored{T: s.T, store: &memStore{heads: s.store.heads, records: s.store.records}}
	next.open()
	known := map[Name]int{}
	for _, c := range next.ledger.cursors {
		for o := range c.acked.all() {
			n, _ := o.name.split()
			known[n]++
		}
		for at := range c.unackedUIDs {
			n, _ := at.split()
			known[n]++
		}
	}
	for n := range objects {
		if known[n] != 1 {
			s.Errorf("%v is stored %d times", n, known[n])
			return
		}
	}
	if len(known) != len(objects) {
		s.Errorf("%d objects are stored, want %d", len(known), len(objects))
		return
	}
	if c := next.in("a", "a"); c.Stats().Known != len(objects) || c.ResumePoint() != "" || len(next.ledger.cursors) != 1 {
		s.Errorf("the next process has %d objects in its cursor, and %d cursors, resume point %q", c.Stats().Known, len(next.ledger.cursors), c.ResumePoint())
	}
}

// A cursor of which everything belongs to another stream becomes that: no object of it is
// stored again. What it was begins anew, in a generation above, if it is followed beside it.
func TestACursorBecomesThatOfAnotherStream(t *testing.T) {
	s := newStored(t)
	was := s.in("", "")
	objects := s.fillIn(was, 40)
	s.stop()
	before := s.ledger.writer.getStatus().Records
	c := s.in("a", "a")
	if c.key != was.key || c.head.Generation != was.head.Generation+1 || c.head.Selection.Namespace != "a" {
		t.Errorf("key %q for %q, generation %d after %d, selection %+v", c.key, was.key, c.head.Generation, was.head.Generation, c.head.Selection)
	}
	s.commit(false)
	if records := s.ledger.writer.getStatus().Records; records != before || s.store.cursors() != 1 {
		t.Errorf("%d records are stored again, %d cursors", records-before, s.store.cursors())
	}
	generation := c.head.Generation
	s.open()
	s.wantOnce(objects)
	s.in("a", "", "a")
	if all := s.in("", "", "a"); all.head.Generation <= generation || all.Stats().Known != 0 {
		t.Errorf("generation %d after %d, %d objects", all.head.Generation, generation, all.Stats().Known)
	}
	s.commit(true)
	s.reopened()
}
