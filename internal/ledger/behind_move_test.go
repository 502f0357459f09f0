package ledger

import (
	"slices"
	"testing"
)

// whileTaken has the writer take all that there is, and wait at a cursor of another cluster.
// If the ledger is not locked then, do runs at that moment, and else after it. It returns when
// the transaction is stored.
func (s *stored) whileTaken(do func()) {
	s.Helper()
	first, _ := s.ledger.claimAs(StreamID{Cluster: "other", Resource: "pods"}, "")
	first.mu.Lock()
	first.headFirst = true
	first.mu.Unlock()
	w := s.ledger.writer
	w.mu.Lock()
	slices.Reverse(w.behind.intents) // it comes first
	w.mu.Unlock()
	first.mu.Lock()
	stored := make(chan error, 1)
	go func() { stored <- w.commit(s.Context(), true) }()
	w.awaitTaken(s.T)
	if s.ledger.mu.TryLock() {
		s.ledger.mu.Unlock()
		do()
		first.mu.Unlock()
	} else {
		first.mu.Unlock()
		do()
	}
	if err := <-stored; err != nil {
		s.Fatal(err)
	}
}

// ackedObjects counts the objects that the ledger knows to be acked.
func ackedObjects(l *Ledger) (n int) {
	for _, c := range l.all() {
		n += c.acked.len()
	}
	return n
}

// Objects move to another cursor while a transaction is put together, and the process is
// killed after it: the store has them in one of the two.
func TestMovedWhileTaken(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		again         bool // the cursor that they leave is listed
	}{
		"all":                             {before: "", after: "a"},
		"all, of a cursor that is listed": {before: "", after: "a", again: true},
		"to a wider one":                  {before: "b", after: "", again: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			s.ledger.Join("a")
			c := s.in(test.before, test.before)
			s.tell(c, objectsIn("a", "b", "c"))
			s.commit(true)
			before := ackedObjects(s.ledger)
			if test.again {
				c.mu.Lock()
				c.headDirty = true
				c.mu.Unlock()
			}
			s.whileTaken(func() { s.in(test.after, test.after) })
			s.open()
			if after := ackedObjects(s.ledger); after != before || before == 0 {
				t.Errorf("%d of %d objects after a crash", after, before)
			}
		})
	}
}

// A cursor is dropped while a transaction is put together, and the process is killed after
// it: the next one of the stream begins in a generation above that.
func TestDroppedWhileTaken(t *testing.T) {
	s := newStored(t)
	s.ledger.Join("a")
	c, was := s.raised()
	s.whileTaken(func() { s.ledger.Drop(c.ID()) })
	s.wantAbove(was)
}

// raised returns a cursor that sinks know of, stored, and its generation.
func (s *stored) raised() (c *Cursor, generation uint32) {
	s.Helper()
	c, _ = s.claim("uid", "")
	s.fill(c)
	c.mu.Lock()
	c.raiseGenerationLocked()
	c.mu.Unlock()
	s.commit(true)
	return c, c.head.Generation
}

// wantAbove kills the process, and wants the stream to go on in a generation above one.
func (s *stored) wantAbove(was uint32) {
	s.Helper()
	s.open()
	s.ledger.Join("a")
	n := len(s.ledger.of("a"))
	if c, _ := s.claim("uid", ""); n == 0 && c.head.Generation <= was {
		s.Errorf("generation %d of the new cursor after a crash, and the one before had %d", c.head.Generation, was)
	}
}
