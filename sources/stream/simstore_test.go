package stream

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// simStore is a store in memory, which survives a process.
type simStore struct {
	mu      sync.Mutex
	cursors map[string]*simCursor
}

type simCursor struct {
	head    []byte
	records map[string][]byte
}

func (s *simStore) Load(_ context.Context, visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.cursors)) {
		c := s.cursors[key]
		if err := visit(key, c.head, func(yield func([]byte, []byte) bool) {
			for k, v := range c.records {
				if !yield([]byte(k), v) {
					return
				}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *simStore) Apply(_ context.Context, updates []ledger.Update) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range updates {
		if u.OnlyChecks() {
			continue
		}
		if u.Drop {
			delete(s.cursors, u.Cursor)
			continue
		}
		c := s.cursors[u.Cursor]
		if c == nil {
			c = &simCursor{records: map[string][]byte{}}
			s.cursors[u.Cursor] = c
		}
		if u.Head != nil {
			c.head = slices.Clone(u.Head)
		}
		for _, r := range u.Records {
			if r.Value == nil {
				delete(c.records, string(r.Key))
			} else {
				c.records[string(r.Key)] = slices.Clone(r.Value)
			}
		}
	}
	return nil
}
