package postgres

import (
	"fmt"
	"math"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// encoder turns batches into arrays. One goroutine uses it at a time.
type encoder struct {
	columns []column
	tables  Tables
	arrays  []array
	rows    []row
	last    map[pipeline.Key]int // the row with a key's last state
}

func newEncoder(columns []column, tables Tables) *encoder {
	return &encoder{columns: columns, tables: tables, arrays: make([]array, len(columns)), last: map[pipeline.Key]int{}}
}

// encoded is a batch as it is sent. It holds until the encoder's next batch.
type encoded struct {
	values  [][]byte // of the columns
	term    uint64   // the highest
	altered int      // how many objects
	states  int      // rows for the table of states
}

// encode returns the arrays of a batch. An error is permanent: of one of its changes.
func (e *encoder) encode(batch []*pipeline.Change) (encoded, error) {
	out := encoded{}
	if err := e.read(batch, &out); err != nil {
		return out, err
	}
	for i := range e.arrays {
		e.arrays[i].begin()
	}
	for i := range e.rows {
		r := &e.rows[i]
		if e.tables == State && !r.last {
			continue
		}
		for j := range e.columns {
			e.columns[j].put(&e.arrays[j], r)
		}
		if r.altered {
			out.altered++
		}
		if r.last {
			out.states++
		}
	}
	for i, c := range e.columns {
		out.values = append(out.values, e.arrays[i].end(elements[c.oid]))
	}
	clear(e.rows) // nothing is kept of a batch
	clear(e.last)
	return out, nil
}

// read fills rows. The table of states takes one row of each key, with the highest term
// and sequence: of equal ones the last. The deletion of another UID may stand before
// the object that has its name now.
func (e *encoder) read(batch []*pipeline.Change, out *encoded) error {
	e.rows = e.rows[:0]
	clear(e.last)
	for i, c := range batch {
		if c.Origin.Term > math.MaxInt64 || c.Sequence > math.MaxInt64 {
			return pipeline.Permanent(fmt.Errorf("%s: term %d or sequence %d is above %d, the largest bigint", c.Key, c.Origin.Term, c.Sequence, int64(math.MaxInt64)))
		}
		out.term = max(out.term, c.Origin.Term)
		r := row{Change: c, object: c.Object, last: true}
		if e.tables == State && c.Op == pipeline.Deleted {
			r.object = nil // the row has none then
		}
		if cleaned, altered := clean(r.object); altered {
			r.object, r.altered = cleaned, true
		}
		e.rows = append(e.rows, r)
		before, ok := e.last[c.Key]
		if ok && later(e.rows[before].Change, c) {
			e.rows[i].last = false
			continue
		} else if ok {
			e.rows[before].last = false
		}
		e.last[c.Key] = i
	}
	return nil
}

// later reports whether a is a later state than b.
func later(a, b *pipeline.Change) bool {
	if a.Origin.Term != b.Origin.Term {
		return a.Origin.Term > b.Origin.Term
	}
	return a.Sequence > b.Sequence
}
