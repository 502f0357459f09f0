package ledger

import (
	"errors"
	"fmt"
)

// Why a state is not sent again.
var (
	// ErrSuperseded: something newer of the object is acked or on its way. Nothing is lost if
	// the state is forgotten.
	ErrSuperseded = errors.New("superseded by a newer state")
	// ErrNameTaken: the state is the deletion of a UID, and another one has the name. See
	// RedeliverGhost.
	ErrNameTaken = errors.New("another object has its name by now")
	// ErrNotNow: it may be tried again, in a moment most often.
	ErrNotNow = errors.New("it cannot be sent now")

	errBusy     = fmt.Errorf("%w: another state of its name is on its way; try again", ErrNotNow)
	errAnothers = fmt.Errorf("%w: what follows the resource is being replaced; try again", ErrNotNow)
)

// Redelivery is a state that is sent for a second time.
type Redelivery struct {
	sequence uint64
	of       version
	deleted  bool
	settled  chan struct{}
	acked    bool // set before settled is closed
}

// Settled is closed once that state or a newer one of its object is acked, or
// the cursor has forgotten that it is sent.
func (r *Redelivery) Settled() <-chan struct{} { return r.settled }

// Acked reports, once Settled is closed, whether it was for an ack.
func (r *Redelivery) Acked() bool { return r.acked }

// end says what became of it.
func (r *Redelivery) end(acked bool) {
	r.acked = acked
	close(r.settled)
}

// Redeliver numbers a state that was acked although the sink may not have it, so that it can
// be handed over once more. It does so only if that breaks no order: the state is the
// newest that the cursor knows under its name, and nothing under the name is pending.
// That is, either the state is the acked one, or it is a deletion and nothing is acked; and
// the sink may hold no other unacked UID. The stream has Reached its version: else it may
// yet show an older state.
//
// A deletion that is older than the one that the cursor remembers is sent all the same: that
// one may be of another UID, and whoever has a row for each is to be told of both. As nothing
// exists under the name, it deletes nothing else.
//
// Until Begin the cursor keeps the number only. Begin makes the state pending, if it is
// still the newest. What the stream observes later has a higher number, and has
// precedence. The same state has the same number until it is settled; no other one of the
// name is sent meanwhile. A state that is never handed over has changed nothing else; who
// asked for its number calls GiveUp.
//
// The error is ErrSuperseded or ErrNameTaken, or wraps ErrNotNow.
func (c *Cursor) Redeliver(n Name, v Version, deleted bool) (r *Redelivery, sequence uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return nil, 0, errAnothers
	}
	key, of := c.keyLocked(n), c.versionLocked(v)
	if _, err := c.isNewestLocked(key, of, deleted); err != nil {
		return nil, 0, err
	}
	switch r = c.redeliveries[name(key)]; {
	case r == nil:
	case r.of == of && r.deleted == deleted:
		return r, r.sequence, nil
	default:
		return nil, 0, errBusy
	}
	if c.redeliveries == nil {
		c.redeliveries = map[name]*Redelivery{}
	}
	r = &Redelivery{sequence: c.numberLocked(), of: of, deleted: deleted, settled: make(chan struct{})}
	c.redeliveries[c.nameLocked(key, nil)] = r
	return r, r.sequence, nil
}

// GiveUp says that a state that Redeliver has numbered is not handed over after all. It is
// settled without an ack.
func (c *Cursor) GiveUp(n Name, r *Redelivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key := c.keyLocked(n); c.redeliveries[name(key)] == r {
		delete(c.redeliveries, name(key))
		r.end(false)
	}
}

// isNewestLocked returns an error unless a state is the newest that the cursor knows under
// its name, with nothing pending; and in which snapshot it was seen.
func (c *Cursor) isNewestLocked(key []byte, seen version, deleted bool) (epoch uint16, err error) {
	if _, lingers := c.lingering[name(key)]; lingers {
		return 0, errBusy // a worker of an owner before has another one
	}
	if p := c.pending[name(key)]; p != nil {
		// It may be the very delivery of which the state was put away.
		// A deletion is not superseded by what has not been handed over: another UID may take
		// the place of that, and then nobody tells of this one.
		if deleted || p.latest == seen.uid && !p.deleted && p.rv == seen.rv {
			return 0, errBusy
		}
		return 0, ErrSuperseded
	}
	for _, unacked := range c.unackedUIDs[name(key)] {
		switch {
		case unacked.uid == seen.uid, deleted && unacked.rv == isGone:
		case deleted, unacked.rv == isGone:
			return 0, errBusy
		default:
			return 0, ErrSuperseded
		}
	}
	acked := c.acked.get(key)
	switch {
	case deleted && acked == nil:
		return c.epoch, nil // a deletion that is on its way needs no tombstone
	case deleted && acked.uid != seen.uid:
		return 0, ErrNameTaken
	case deleted || acked == nil || acked.version != seen:
		return 0, ErrSuperseded
	}
	return acked.epoch, nil
}

// pendRedeliveryLocked makes a state pending that is sent again under that number; nil: it
// is not, or not the newest any more, and then it is settled without an ack.
func (c *Cursor) pendRedeliveryLocked(key []byte, sequence uint64, seen version, deleted bool) *pending {
	r := c.redeliveries[name(key)]
	if r == nil || r.sequence != sequence {
		return nil
	}
	epoch, err := c.isNewestLocked(key, seen, deleted)
	if err != nil {
		if c.pending[name(key)] == nil { // else its ack settles this one
			delete(c.redeliveries, name(key))
			r.end(false)
		}
		return nil
	}
	c.enterLocked(key)
	p := c.addPendingLocked(c.nameLocked(key, nil))
	c.pendAsLocked(p, sequence, seen, deleted, false)
	p.epoch = epoch
	if deleted {
		p.rv = c.latestGoneLocked(p.name, sequence, p.rv, false) // what a watch shows up to there stays stale
	}
	c.generationLocked(p.name, seen.uid) // what is observed next comes behind this
	return p
}

// settleLocked says that a state of n with that sequence and UID is acked. The deletion of
// another UID was not handed over then: a newer state has taken its place in the queue.
func (c *Cursor) settleLocked(n name, sequence uint64, of uid) {
	if r := c.redeliveries[n]; r != nil && sequence >= r.sequence {
		delete(c.redeliveries, n)
		r.end(!r.deleted || r.of.uid == of)
	}
	c.settleGhostsLocked(n, nil)
}

// abandonLocked says that nothing is pending any more.
func (c *Cursor) abandonLocked() {
	for _, r := range c.redeliveries {
		r.end(false)
	}
	for _, all := range c.ghosts {
		for _, r := range all {
			r.end(false)
		}
	}
	c.redeliveries, c.ghosts = nil, nil
}
