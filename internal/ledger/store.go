package ledger

import (
	"context"
	"iter"
)

// Store keeps cursors across restarts: a transactional map from cursors to a
// head and any number of records, all of them opaque to it. Keys and values are
// valid only until the call returns. A Store is used by one goroutine at a time
// and by one process at a time. Package ledgertest holds what every
// implementation must do.
type Store interface {
	// Load calls visit for every cursor in the store. Records may be ranged
	// over once. An error of visit ends Load, which returns it.
	Load(ctx context.Context, visit func(cursor string, head []byte, records iter.Seq2[[]byte, []byte]) error) error
	// Apply makes all of the updates durable, or none of them. Before that it asks every
	// Check, in the same transaction: no other writer can come in between. After an
	// error it may be called again. While it has not returned, nothing of any cluster is
	// stored, so it is to fail rather than to wait for long.
	Apply(ctx context.Context, updates []Update) error
}

// Exclusive is a Store that may say that no other process writes to it while this one
// has it open.
type Exclusive interface {
	Store
	Exclusive() bool
}

func isExclusive(s Store) bool {
	e, ok := s.(Exclusive)
	return ok && e.Exclusive()
}

// Update changes one cursor in a store.
type Update struct {
	Cursor  string
	Drop    bool     // removes the cursor, its head and all its records; the rest is ignored
	Head    []byte   // nil: as it was
	Records []Record // a nil Value removes the record
	// Check, if it is not nil, is given the head that the cursor has before the
	// transaction, nil if it has none. Its error ends the transaction, which then
	// changes nothing, and Apply returns an error that wraps it. It asks nothing of the
	// store and changes nothing: a store may call it more than once.
	Check func(head []byte) error
}

// OnlyChecks reports whether the update changes nothing, and makes no cursor.
func (u *Update) OnlyChecks() bool {
	return u.Check != nil && !u.Drop && u.Head == nil && len(u.Records) == 0
}

// Record is one entry of a cursor in a store.
type Record struct {
	Key, Value []byte
}
