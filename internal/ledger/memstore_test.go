package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
)

// memStore is a store that can fail. A crash leaves what it holds.
type memStore struct {
	heads   map[string][]byte
	records map[string]map[string][]byte
	failing bool
	around  func(apply func() error) error // what happens while a transaction is under way
}

// cursors returns how many it holds.
func (m *memStore) cursors() int {
	n := len(m.heads)
	if m.heads[termKey] != nil {
		n--
	}
	return n
}

func newMemStore() *memStore {
	return &memStore{heads: map[string][]byte{}, records: map[string]map[string][]byte{}}
}

// copied returns a store that holds the same: what there is after a kill.
func (m *memStore) copied() *memStore {
	c := &memStore{heads: maps.Clone(m.heads), records: map[string]map[string][]byte{}}
	for k, records := range m.records {
		c.records[k] = maps.Clone(records)
	}
	return c
}

func (m *memStore) Load(_ context.Context, visit func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	for cursor, h := range m.heads {
		err := visit(cursor, h, func(yield func(k, v []byte) bool) {
			for k, v := range m.records[cursor] {
				if !yield([]byte(k), v) {
					return
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *memStore) Apply(_ context.Context, updates []Update) error {
	if m.failing {
		return errors.New("no space left on device")
	}
	if m.around != nil {
		return m.around(func() error { return m.apply(updates) })
	}
	return m.apply(updates)
}

func (m *memStore) apply(updates []Update) error {
	for _, u := range updates {
		if u.Check != nil {
			if err := u.Check(m.heads[u.Cursor]); err != nil {
				return err
			}
		}
	}
	for _, u := range updates {
		if u.OnlyChecks() {
			continue
		}
		if u.Drop {
			delete(m.heads, u.Cursor)
			delete(m.records, u.Cursor)
			continue
		}
		if u.Head != nil {
			m.heads[u.Cursor] = u.Head
		}
		if m.heads[u.Cursor] == nil {
			return fmt.Errorf("records of %s come before its head", u.Cursor)
		}
		if m.records[u.Cursor] == nil {
			m.records[u.Cursor] = map[string][]byte{}
		}
		for _, r := range u.Records {
			if r.Value == nil {
				delete(m.records[u.Cursor], string(r.Key))
			} else {
				m.records[u.Cursor][string(r.Key)] = r.Value
			}
		}
	}
	return nil
}
