package ledger

import (
	"container/list"
	"time"
)

// pending is what is known of an object with changes that are not acked.
// Between them, waiting and begun cover every unacked observation of it.
type pending struct {
	latest  uid // the UID observed last
	deleted bool
	epoch   uint32 // of the snapshot that listed it last
	// begun covers what a worker holds or held without an ack, waiting what
	// came after. Either may be nil, never both.
	begun, waiting *list.Element // of *span
}

// span is a run of observations of one object, from the first that is not
// acked to the one with ticket last.
type span struct {
	before string // version of the frame before the first observation; of the last frame before the snapshot it came from
	last   uint64 // ticket of the newest observation covered
	since  time.Time
}

// order is the list of spans in the order in which they were first seen: its
// head decides the resume point.
type order struct{ list.List }

// split returns a span in the place of e that covers what e covers up to
// ticket; e goes on covering the rest. What precedes the rest is no longer
// known, so e keeps the older start, which loses nothing.
func (o *order) split(e *list.Element, ticket uint64) *list.Element {
	s := *e.Value.(*span)
	s.last = ticket
	return o.InsertBefore(&s, e)
}

func (o *order) head() *span {
	if e := o.Front(); e != nil {
		return e.Value.(*span)
	}
	return nil
}
