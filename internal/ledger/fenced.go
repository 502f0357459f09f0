package ledger

import (
	"context"
	"fmt"
)

// Fenced returns a store that is written only if mayStore returns nil, which is
// asked right before each transaction: where locks on files do not hold, two
// writers would ruin it.
func Fenced(s Store, mayStore func() error) Store {
	return fencedStore{s, mayStore}
}

type fencedStore struct {
	Store
	mayStore func() error
}

// Exclusive implements Exclusive.
func (s fencedStore) Exclusive() bool { return isExclusive(s.Store) }

func (s fencedStore) Apply(ctx context.Context, updates []Update) error {
	if err := s.mayStore(); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return s.Store.Apply(ctx, updates)
}
