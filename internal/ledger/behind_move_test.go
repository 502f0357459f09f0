package ledger

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
)

// whileTaken has the writer take all that there is, and wait once it has taken a new cursor,
// which comes first of its cluster, and its cluster first of all. At that moment do begins, and
// ends if it does not wait for the writer. It returns when the transaction is stored.
func (s *stored) whileTaken(cluster string, do func()) {
	s.Helper()
	w := s.ledger.writer
	first, _ := s.ledger.claimAs(StreamID{Cluster: cluster, Resource: "nodes"}, "")
	first.mu.Lock()
	first.headFirst, first.gaveUp = true, true // which is logged
	first.deleted[nameOfTest(pod(1))] = 1
	first.mu.Unlock()
	w.mu.Lock()
	slices.Reverse(w.behind.intents)
	slices.Reverse(first.cluster.behind.intents)
	w.mu.Unlock()
	taken, goOn := make(chan struct{}), make(chan struct{})
	w.log = funcr.New(func(_, _ string) { close(taken); <-goOn }, funcr.Options{})
	stored := make(chan error, 1)
	go func() { stored <- w.commit(s.Context(), true) }()
	<-taken
	did := make(chan struct{})
	go func() { defer close(did); do() }()
	select {
	case <-did:
	case <-time.After(50 * time.Millisecond): // what does not wait for the writer is done by then
	}
	close(goOn)
	<-did
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
		cluster       string // at which the writer is
		before, after string
		again         bool   // the cursor that they leave is listed
		beside        string // is followed after it, too
	}{
		"all":                             {cluster: "other", before: "", after: "a"},
		"all, of a cursor that is listed": {cluster: "other", before: "", after: "a", again: true},
		"to a wider one":                  {cluster: "other", before: "b", after: "", again: true},
		"all, of the cluster itself":      {cluster: "a", before: "", after: "a", again: true},
		"some":                            {cluster: "other", before: "", after: "a", again: true, beside: "b"},
		"some, of the cluster itself":     {cluster: "a", before: "", after: "a", again: true, beside: "b"},
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
			s.whileTaken(test.cluster, func() { s.in(test.after, test.after, cmp.Or(test.beside, test.after)) })
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
	for name, test := range map[string]struct {
		cluster string
		again   bool // the cursor is listed
	}{
		"":                       {cluster: "other"},
		"listed":                 {cluster: "other", again: true},
		"of the cluster itself":  {cluster: "a"},
		"listed, of that itself": {cluster: "a", again: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			s.ledger.Join("a")
			c, was := s.raised()
			if test.again {
				c.mu.Lock()
				c.headDirty, c.headFirst = true, true
				c.mu.Unlock()
			}
			s.whileTaken(test.cluster, func() { s.ledger.Drop(c.ID()) })
			s.wantAbove(was)
		})
	}
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
	before := len(s.ledger.cursors)
	if c, _ := s.claim("uid", ""); len(s.ledger.cursors) > before && c.head.Generation <= was {
		s.Errorf("generation %d of the new cursor after a crash, and the one before had %d", c.head.Generation, was)
	}
}

// A cursor is dropped while a transaction takes what there is of the cluster, and another one has
// its name then: the store does not have both.
func TestRenamedWhileTaken(t *testing.T) {
	s := newStored(t)
	s.ledger.Join("a")
	const digest = digestPrefix + "1"
	later, _ := s.claim(digest, "")
	s.fill(later)
	old, _ := s.claim("uid", "", digest) // another cluster, it is said
	s.commit(true)
	if later.cursor == old.cursor {
		t.Fatal("one cursor for both")
	}
	later.mu.Lock()
	later.headDirty, later.headFirst = true, true
	later.mu.Unlock()
	s.whileTaken("a", func() {
		s.ledger.Drop(old.ID())
		if c, _ := s.claim("uid", ""); c.cursor != later.cursor {
			t.Error("a new cursor")
		}
	})
	s.reopened()
}
