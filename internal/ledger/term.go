package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// termKey names in the store what is of no cursor. Cursors have random names of
// another length.
const termKey = "ledger"

// ErrOldTerm is wrapped by the error of SetTerm for a term lower than the highest.
var ErrOldTerm = errors.New("there has been a later term")

// Term returns the highest term in which the ledger was used; 0 if there was none.
func (l *Ledger) Term() uint64 {
	l.term.mu.Lock()
	defer l.term.mu.Unlock()
	return l.term.head.Term
}

// SetTerm says in which term the process delivers, and returns once the store has
// that; Run is under way by then. It refuses a term lower than the highest, in which
// another process has delivered since.
func (l *Ledger) SetTerm(ctx context.Context, term uint64) error {
	c := l.term
	c.mu.Lock()
	if highest := c.head.Term; term < highest {
		c.mu.Unlock()
		return fmt.Errorf("%w: %d, and this is %d", ErrOldTerm, highest, term)
	} else if term > highest {
		c.head.Term, c.headDirty, c.headFirst = term, true, true
	}
	dirty := c.headDirty
	c.mu.Unlock()
	if c.writer == nil {
		return nil
	}
	stored := c.writer.safe(c.cluster, dirty)
	if stored == nil {
		return nil
	}
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("store term %d in the ledger: %w", term, context.Cause(ctx))
	}
}

// outliveLocked has new cursors begin in a generation above that of one that is
// dropped, where sinks were told of it that something is gone which may come again.
func (l *Ledger) outliveLocked(c *Cursor) {
	c.mu.Lock()
	above := c.head.Generation + 1
	if above == 1 && !c.head.Told {
		above = 0
	}
	c.mu.Unlock()
	t := l.term
	t.mu.Lock()
	defer t.mu.Unlock()
	if above > t.head.Generation {
		t.head.Generation, t.headDirty, t.headFirst = above, true, true
	}
}

// firstGeneration is that of a new cursor.
func (l *Ledger) firstGeneration() uint32 {
	l.term.mu.Lock()
	defer l.term.mu.Unlock()
	return l.term.head.Generation
}

// newTerm returns what holds the term as a cursor holds its head: the writer need
// not know the difference. It is no cursor of the ledger.
func newTerm(w *writer) *Cursor {
	c := newCursor(StreamID{}, w)
	c.key, c.headDirty, c.head = termKey, false, head{}
	return c
}

// loadTerm reads the term.
func (l *Ledger) loadTerm(encoded []byte) error {
	h, err := decodeHead(termKey, encoded)
	if err != nil {
		return err
	}
	l.term.head, l.term.stored = h, true
	return nil
}

// toStore returns what the writer looks at.
func (l *Ledger) toStore() []*Cursor {
	all := l.all()
	l.term.mu.Lock()
	defer l.term.mu.Unlock()
	if l.term.headDirty { // else it says nothing of how the store is
		all = append(all, l.term)
	}
	return all
}

// cursorsOnly skips what is of no cursor.
func cursorsOnly(visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) func(string, []byte, iter.Seq2[[]byte, []byte]) error {
	return func(key string, head []byte, records iter.Seq2[[]byte, []byte]) error {
		if key == termKey {
			return nil
		}
		return visit(key, head, records)
	}
}
