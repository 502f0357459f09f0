package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A transaction fails as a whole, and the process is killed after the first part of it that
// is stored: if a drop is, so is the generation that new cursors begin in.
func TestDropIsNotStoredBeforeTheGeneration(t *testing.T) {
	s := newStored(t)
	s.ledger.Join("a")
	c, was := s.raised()
	s.ledger.Drop(c.ID())
	n := 0
	s.store.around = func(apply func() error) error {
		if n++; n != 2 {
			return errPoison
		}
		return apply()
	}
	if err := s.ledger.writer.commit(t.Context(), true); !errors.Is(err, errPoison) || n < 2 {
		t.Fatalf("%d transactions: %v", n, err)
	}
	s.store.around = nil
	s.wantAbove(was)
}

// While the store refuses the term's part, it is told of no drop, and of all else.
func TestDropsWaitForTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, 10)
		term := m.ledger.term
		drop := func(c *Cursor) {
			c.mu.Lock()
			c.head.Generation = term.head.Generation
			c.head.Told = true
			c.mu.Unlock()
			m.ledger.Drop(c.ID())
		}
		held := func(i int) bool { return m.store.heads[m.cursors[i].key] != nil }
		for _, c := range m.cursors {
			m.begin(c)
		}
		m.commit(nil)
		m.store.refuseIf(func(updates []Update) bool {
			return slices.ContainsFunc(updates, func(u Update) bool { return u.Cursor == termKey && u.Head != nil })
		})
		drop(m.cursors[0])
		safe := m.begin(m.cursors[5])
		m.commit(errPoison)
		if !isClosed(safe) || !held(0) {
			t.Errorf("an intent is stored: %v; the cursor is held: %v", isClosed(safe), held(0))
		}
		drop(m.cursors[1])
		safe = m.begin(m.cursors[5])
		m.commit(errPoison)
		if !isClosed(safe) || !held(0) || !held(1) {
			t.Errorf("an intent is stored: %v; the cursors are held: %v, %v", isClosed(safe), held(0), held(1))
		}
		m.ledger.writer.retryAt = time.Now().Add(time.Hour) // the term's is left out
		drop(m.cursors[2])
		safe = m.begin(m.cursors[5])
		if err := m.ledger.writer.commit(t.Context(), false); err == nil {
			t.Error("all is stored")
		}
		if !isClosed(safe) || !held(2) {
			t.Errorf("the term's is left out: an intent is stored: %v; the cursor is held: %v", isClosed(safe), held(2))
		}
		m.ledger.writer.retryAt = time.Time{}
		m.store.refuseIf(nil)
		m.commit(nil)
		if held(0) || held(1) || held(2) {
			t.Error("the store holds what is dropped")
		}
	})
}
