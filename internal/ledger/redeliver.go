package ledger

import (
	"errors"
	"fmt"
	"slices"
)

// Why a state is not sent again.
var (
	// ErrSuperseded: something newer of the object is acked or on its way, which the error
	// names. Nothing is lost if the state is forgotten.
	ErrSuperseded = errors.New("superseded")
	// ErrNameTaken: the state is a deletion, and another UID has the name. See RedeliverGhost.
	ErrNameTaken = errors.New("another object has the name")
	// ErrNotNow: it may be tried again later.
	ErrNotNow = errors.New("it cannot be sent now")
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

// Redeliver numbers a state that was acked although the sink may not have it, so that it can
// be handed over once more. It does so only if that breaks no order: the state is the
// newest that the cursor knows under its name, and nothing under the name is pending.
// That is, either the state is the acked one, or it is a deletion and nothing is acked; and
// the sink may hold no other unacked UID that is newer. The stream has Reached its version:
// else it may yet show an older state.
//
// A deletion that is older than the one that the cursor remembers is sent all the same: that
// may be of another UID, and who keeps a row for each has to be told of either. As nothing
// exists under the name, it can delete nothing else.
//
// Until Begin the cursor keeps the number only. Begin makes the state pending, if it is
// still the newest. What the stream observes later has a higher number, and has
// precedence. The same state has the same number until it is settled. Another state
// under the name settles the one before without an ack. A state that is never handed
// over has changed nothing else. But of a deletion the cursor notes, and stores, that the sink
// may hold the UID: so what comes under the name instead has it among its ghosts, and
// deletions of several UIDs go together.
//
// The error wraps ErrSuperseded, ErrNameTaken or ErrNotNow.
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
	if deleted {
		c.holdLocked(key, of.uid)
		if r := c.redeliveries[name(key)]; r != nil && r.deleted {
			return r, r.sequence, nil
		}
	}
	r = c.redeliverLocked(key, of, deleted)
	return r, r.sequence, nil
}

// holdLocked notes that the sink may hold a UID that is gone.
func (c *Cursor) holdLocked(key []byte, gone uid) {
	held := c.unackedUIDs[name(key)]
	if slices.ContainsFunc(held, func(h version) bool { return h.uid == gone }) {
		return
	}
	c.enterLocked(key)
	at := c.nameLocked(key, nil)
	c.unackedUIDs[at] = slices.Insert(slices.Clone(held), 0, version{gone, isGone})
	c.touchLocked(at)
}

// isGone is in the place of the version of an unacked UID that is known not to exist any more.
const isGone rv = 0

// redeliverLocked numbers a state that is the newest under its name.
func (c *Cursor) redeliverLocked(key []byte, of version, deleted bool) *Redelivery {
	r := c.redeliveries[name(key)]
	if r != nil && r.of == of && r.deleted == deleted {
		return r
	}
	if r != nil {
		close(r.settled)
	}
	if c.redeliveries == nil {
		c.redeliveries = map[name]*Redelivery{}
	}
	r = &Redelivery{sequence: c.numberLocked(), of: of, deleted: deleted, settled: make(chan struct{})}
	c.redeliveries[c.nameLocked(key, nil)] = r
	return r
}

// Successor is the state that follows the deletion of a ghost.
type Successor struct {
	Version    Version
	Sequence   uint64
	Generation uint32
}

// RedeliverGhost is Redeliver for the deletion of a UID whose name another one has by now
// (ErrNameTaken). It numbers the acked state of that one, which the caller hands over: Begin
// has the UID among the ghosts before it. Their numbers are above all others of the name, so
// that who orders by number, and has one row for each name, ends up with what exists.
func (c *Cursor) RedeliverGhost(n Name, uid string) (r *Redelivery, next Successor, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return nil, next, errAnothers
	}
	key, gone := c.keyLocked(n), c.uidLocked(uid)
	_, err = c.isNewestLocked(key, version{uid: gone}, true)
	switch {
	case err == nil:
		return nil, next, fmt.Errorf("%w: nothing has its name any more", ErrNotNow)
	case !errors.Is(err, ErrNameTaken):
		return nil, next, err
	}
	o := c.acked.get(key)
	if o.rv&unordered != 0 {
		return nil, next, fmt.Errorf("%w: %s has its name, in a version that is no number, and cannot follow it", ErrNotNow, c.formatLocked(o.uid))
	}
	c.holdLocked(key, gone)
	r = c.redeliverLocked(key, o.version, false)
	return r, Successor{Version{c.formatLocked(o.uid), o.rv.digits()}, r.sequence, c.head.Generation}, nil
}

// errAnothers says that the handle is not the owner's any more.
var errAnothers = fmt.Errorf("%w: what follows the resource is being replaced", ErrNotNow)

// isNewestLocked returns an error unless a state is the newest that the cursor knows under
// its name, with nothing pending; and in which snapshot it was seen.
func (c *Cursor) isNewestLocked(key []byte, seen version, deleted bool) (epoch uint16, err error) {
	if _, lingers := c.lingering[name(key)]; lingers { // a worker of an owner before has another one
		return 0, fmt.Errorf("%w: another state of its name is on its way", ErrNotNow)
	}
	acked := c.acked.get(key)
	if p := c.pending[name(key)]; p != nil {
		// It may be the very delivery of which the state was put away.
		same := p.latest == seen.uid && p.deleted == deleted && (deleted || p.rv == seen.rv)
		if deleted && p.latest != seen.uid || same {
			return 0, fmt.Errorf("%w: %s is on its way", ErrNotNow, c.stateLocked(version{p.latest, p.rv}, p.deleted))
		}
		return 0, fmt.Errorf("%w: %s is on its way", ErrSuperseded, c.stateLocked(version{p.latest, p.rv}, p.deleted))
	}
	for _, unacked := range c.unackedUIDs[name(key)] {
		switch {
		case unacked.uid == seen.uid || unacked.rv == isGone:
		case deleted:
			return 0, fmt.Errorf("%w: a state of another object of its name is to come", ErrNotNow)
		default:
			return 0, fmt.Errorf("%w: the sink may have %s", ErrSuperseded, c.stateLocked(unacked, false))
		}
	}
	switch {
	case deleted && acked == nil:
		return c.epoch, nil // A deletion that is on its way needs no tombstone.
	case deleted && acked.uid != seen.uid:
		return 0, fmt.Errorf("%w: %s", ErrNameTaken, c.stateLocked(acked.version, false))
	case acked == nil:
		return 0, fmt.Errorf("%w: the deletion of what had the name has been delivered", ErrSuperseded)
	case deleted || acked.version != seen:
		return 0, fmt.Errorf("%w: %s has been delivered", ErrSuperseded, c.stateLocked(acked.version, false))
	}
	return acked.epoch, nil
}

// stateLocked tells of a state in words.
func (c *Cursor) stateLocked(v version, deleted bool) string {
	what := "version " + v.rv.digits()
	if v.rv.digits() == "" {
		what = "another version"
	}
	if deleted {
		what = "the deletion"
	}
	return what + " of UID " + c.formatLocked(v.uid)
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
			close(r.settled)
		}
		return nil
	}
	c.enterLocked(key)
	p := c.addPendingLocked(c.nameLocked(key, nil))
	c.pendAsLocked(p, sequence, seen, deleted, false)
	p.epoch = epoch
	if deleted {
		p.rv = c.latestGoneLocked(p.name, sequence, p.rv) // what a watch shows up to there is stale still
	}
	c.generationLocked(p.name, seen.uid) // what is observed next comes behind this
	return p
}

// settleLocked says that a state of n with that sequence is acked.
func (c *Cursor) settleLocked(n name, sequence uint64) {
	if r := c.redeliveries[n]; r != nil && sequence >= r.sequence {
		delete(c.redeliveries, n)
		r.acked = true
		close(r.settled)
	}
}

// abandonLocked says that nothing is pending any more.
func (c *Cursor) abandonLocked() {
	for _, r := range c.redeliveries {
		close(r.settled)
	}
	c.redeliveries = nil
}
