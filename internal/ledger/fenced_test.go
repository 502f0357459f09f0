package ledger

import (
	"context"
	"errors"
	"testing"
)

type countedStore struct {
	Store
	n int
}

func (s *countedStore) Apply(context.Context, []Update) error { s.n++; return nil }

func TestAFencedStoreAsksFirst(t *testing.T) {
	var lost error
	behind := &countedStore{}
	s := Fenced(behind, func() error { return lost })
	if err := s.Apply(t.Context(), nil); err != nil || behind.n != 1 {
		t.Errorf("what is allowed: %v, %d writes", err, behind.n)
	}
	lost = errors.New("lost")
	if err := s.Apply(t.Context(), nil); !errors.Is(err, lost) || behind.n != 1 {
		t.Errorf("what is not allowed: %v, %d writes", err, behind.n-1)
	}
}
