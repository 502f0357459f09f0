package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// termKey names in the store what is of no cursor. Cursors have random names of
// another length.
const termKey = "ledger"

// ErrOldTerm says that another process has used the ledger in a later term. It is for
// good: this process knows no more what the ledger holds.
var ErrOldTerm = errors.New("there has been a later term")

// Term returns the highest term in which the ledger was used; 0 if there was none.
func (l *Ledger) Term() uint64 {
	l.term.mu.Lock()
	defer l.term.mu.Unlock()
	return l.term.head.Term
}

// takeTerm has the store hold the term that choose returns, and reports whether it has
// another one than before. From then on the store refuses what a process of an earlier
// term writes, whatever that one believes: so what is read after this is what there is.
// Of two that take one at the same time, the terms differ. If choose refuses, the store
// stays as it is.
func (l *Ledger) takeTerm(ctx context.Context, store Store, choose func(last Term) (Term, error)) (taken bool, err error) {
	delays := retry.NewBackOff(writeRetryMin, writeRetryMax)
	told := false
	// As with every other write of the ledger: a store that fails, such as a full volume,
	// is waited for.
	again := func(failed error) bool {
		if !told {
			told = true
			l.log.Error(failed, "The ledger could not store the term of this process; it tries again, and nothing is delivered until then")
		}
		return retry.Sleep(ctx, delays.NextBackOff()) == nil
	}
	for wrote := false; ; {
		held, err := readTerm(ctx, store)
		if err != nil {
			if again(err) {
				continue
			}
			return false, fmt.Errorf("read the term of the ledger: %w", err)
		}
		if held != nil {
			if err := l.loadTerm(held); err != nil {
				return false, fmt.Errorf("read the term of the ledger: %w", err)
			}
		}
		h := l.term.head
		last := h.term()
		next, err := choose(last)
		switch {
		case err != nil:
			return false, err
		case next.Number < last.Number:
			return false, fmt.Errorf("%w: %d, and this is %d", ErrOldTerm, last.Number, next.Number)
		case next == last:
			return wrote, nil // and did not know of its success
		}
		wrote = true
		h.setTerm(next)
		err = store.Apply(ctx, []Update{{Cursor: termKey, Head: h.encode(termKey), Check: unmoved(held)}})
		switch {
		case err == nil:
			l.term.head, l.term.stored = h, true
			return true, nil
		case !errors.Is(err, errTermMoved) && !again(err):
			return false, fmt.Errorf("store term %d in the ledger: %w", h.Term, err)
		}
	}
}

// unmoved checks that nobody has changed the term since it was read.
func unmoved(held []byte) func(head []byte) error {
	return func(head []byte) error {
		if !bytes.Equal(head, held) {
			return errTermMoved
		}
		return nil
	}
}

var (
	errTermRead  = errors.New("only reads")
	errTermMoved = errors.New("another process has changed it meanwhile")
)

// readTerm returns what the store holds of the term, nil for nothing, by a transaction
// that changes nothing.
func readTerm(ctx context.Context, store Store) (held []byte, err error) {
	err = store.Apply(ctx, []Update{{Cursor: termKey, Check: func(head []byte) error {
		held = bytes.Clone(head)
		return errTermRead
	}}})
	if errors.Is(err, errTermRead) {
		err = nil
	}
	return held, err
}

// checkTerm refuses a transaction if the store holds a later term than this process's.
func (l *Ledger) checkTerm(held []byte) error {
	if held == nil {
		return nil
	}
	h, err := decodeHead(termKey, held)
	if err != nil {
		return err
	}
	if term := l.Term(); h.Term > term {
		return fmt.Errorf("%w: %d, and this is %d", ErrOldTerm, h.Term, term)
	}
	return nil
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

// loadTerm reads the term, and what operators have the ledger keep.
func (l *Ledger) loadTerm(encoded []byte) error {
	h, err := decodeHead(termKey, encoded)
	if err != nil {
		return err
	}
	l.term.head, l.term.stored = h, true
	return nil
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
