package ledger

import (
	"sync"
	"time"
)

// pending is what is known of an object with changes that are not acked.
// Between them, waiting and begun cover every unacked observation of it.
type pending struct {
	name   name
	latest uid // the UID observed last
	rv     rv  // the version that it was observed with; 0: one of a history that was undone
	// digest is that of the state observed last, begunDigest that of the one that a worker
	// has begun last; 0: not known.
	digest, begunDigest uint64
	deleted             bool
	paid                bool   // see Paid
	listed              bool   // it was read from a snapshot, or is missing there
	epoch               uint16 // of the snapshot that listed it last
	// done is a sequence: what was observed up to it is not to be handed over any
	// more, because something newer was, or was acked.
	done uint64
	// left is a sequence: of what was observed up to it nothing is on its way any more,
	// and nothing was acked; see Leave.
	left uint64
	// heldBack is the sequence of a change that has waited for the deletions of ghosts.
	heldBack uint64
	// begun covers what a worker holds or held without an ack, waiting what
	// came after. Either may be out of the list, never both.
	begun, waiting span

	// prewritten is a UID that the store knows, or is about to, though no worker has
	// begun it yet; see prewriteLocked.
	prewritten prewritten
	queued     bool // in Cursor.prewritable
}

// covers reports whether a watch shows again what came before the state observed
// last. That state itself may never have come into the queue.
func (p *pending) covers(seen version, deleted bool) bool {
	return seen.rv.isBefore(deleted, p.rv, p.deleted)
}

// pendings are those of all cursors that are pending no more.
var pendings = sync.Pool{New: func() any { return new(pending) }}

// settledLocked says that nothing of p is pending any more. It may be another cursor's from here
// on.
func (c *Cursor) settledLocked(p *pending) {
	delete(c.pending, p.name)
	if !p.queued { // else prewriteLocked comes upon it
		*p = pending{}
		pendings.Put(p)
	}
}

// span is a run of observations of one object, from the first that is not
// acked to the one with sequence last.
type span struct {
	before string // version of the frame before the first observation; of the last frame before the snapshot it came from
	last   uint64 // sequence of the newest observation covered
	since  time.Time

	prev, next *span // nil while it covers nothing
}

func (s *span) listed() bool { return s.next != nil }

// order is the list of spans in the order in which they were first seen: its
// head decides the resume point.
type order struct{ root span }

func (o *order) init() { o.root.prev, o.root.next = &o.root, &o.root }

func (o *order) insert(s, before *span) {
	s.prev, s.next = before.prev, before
	s.prev.next, s.next.prev = s, s
}

func (o *order) pushBack(s *span) { o.insert(s, &o.root) }

func (o *order) remove(s *span) {
	s.prev.next, s.next.prev = s.next, s.prev
	*s = span{}
}

// move gives the place of s, and what it covers, to another span.
func (o *order) move(s, to *span) {
	o.split(s, to, s.last)
	o.remove(s)
}

// split puts a span in the place of s that covers what s covers up to sequence;
// s goes on covering the rest. What precedes the rest is no longer known, so s
// keeps the older start, which loses nothing.
func (o *order) split(s, first *span, sequence uint64) {
	*first = span{before: s.before, last: sequence, since: s.since}
	o.insert(first, s)
}

func (o *order) head() *span {
	if first := o.root.next; first != &o.root {
		return first
	}
	return nil
}
