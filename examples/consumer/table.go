package main

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// Row is one object as it is now.
type Row struct {
	Key
	ResourceVersion string
	Data            json.RawMessage
}

// Table holds what exists. It is for one goroutine.
type Table struct {
	rows map[Key]Row
}

// NewTable returns an empty table.
func NewTable() *Table { return &Table{rows: map[Key]Row{}} }

// What an event changed.
const (
	nothing = ""
	created = "created"
	changed = "changed"
	gone    = "gone"
)

// Apply takes the next event, in the order of the file, and returns what it
// changed.
//
// There is nothing else to it, because each event says all there is to say: a
// state is the whole object, and applying it twice is applying it once. Events
// that were written twice need not be found: what is repeated is repeated in
// order, so the table ends up right. (Whoever does something that must not be
// done twice, such as sending a message, compares source and id with those of
// the last hour.)
func (t *Table) Apply(e Event) string {
	key := e.Key()
	before, known := t.rows[key]
	if e.Deleted() {
		if !known {
			return nothing // told before, or never told of
		}
		delete(t.rows, key)
		return gone
	}
	t.rows[key] = Row{key, e.ResourceVersion, e.Data}
	switch {
	case !known:
		return created
	case before.ResourceVersion == e.ResourceVersion:
		return nothing // a repeat; or the same state in another form
	}
	return changed
}

// Rows returns what exists, sorted.
func (t *Table) Rows() []Row {
	return slices.SortedFunc(maps.Values(t.rows), func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Resource, b.Resource),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
}
