package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTerm(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		if got := r.ledger.Term(); got != 0 {
			t.Errorf("a new ledger is of term %d", got)
		}
		r.snapshotted()
		if err := r.ledger.SetTerm(t.Context(), 7); err != nil || r.reopen().Term() != 7 {
			t.Errorf("SetTerm: %v; the store has %d", err, r.reopen().Term())
		}
		before := r.store.count()
		if err := r.ledger.SetTerm(t.Context(), 7); err != nil || r.store.count() != before {
			t.Errorf("the same term again: %v, %d transactions", err, r.store.count()-before)
		}
		if err := r.reopen().SetTerm(t.Context(), 6); !errors.Is(err, ErrOldTerm) {
			t.Errorf("an older term: %v", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if described, err := Describe(t.Context(), r.store); err != nil || len(described) != 1 {
			t.Errorf("described as %+v, %v", described, err)
		}
		if all, err := ReadAll(t.Context(), r.store); err != nil || len(all) != 1 {
			t.Errorf("read as %+v, %v", all, err)
		}
		r.store.fail(errors.New("disk full"))
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.ledger.SetTerm(short, 8); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a store that fails: %v", err)
		}
		r.store.fail(nil)
		if err := r.ledger.SetTerm(t.Context(), 8); err != nil || r.reopen().Term() != 8 {
			t.Errorf("after it: %v; the store has %d", err, r.reopen().Term())
		}
	})
}

func TestTermWithoutAStore(t *testing.T) {
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetTerm(t.Context(), 3); err != nil || l.Term() != 3 {
		t.Errorf("%v, term %d", err, l.Term())
	}
}
