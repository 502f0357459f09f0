package ledger

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
// That is, either the state is the acked one, or it is a deletion, nothing is acked and
// no later deletion is remembered; and the sink may hold no other unacked UID. The stream
// has Reached its version: else it may yet show an older state.
//
// Until Begin the cursor keeps the number only. Begin makes the state pending, if it is
// still the newest. What the stream observes later has a higher number, and has
// precedence. The same state has the same number until it is settled. Another state
// under the name settles the one before without an ack. A state that is never handed
// over has changed nothing else.
func (c *Cursor) Redeliver(n Name, v Version, deleted bool) (r *Redelivery, sequence uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, of := c.keyLocked(n), c.versionLocked(v)
	if _, newest := c.isNewestLocked(key, of, deleted); !newest || c.lostLocked() {
		return nil, 0, false
	}
	if r = c.redeliveries[name(key)]; r != nil && r.of == of && r.deleted == deleted {
		return r, r.sequence, true
	}
	if r != nil {
		close(r.settled)
	}
	if c.redeliveries == nil {
		c.redeliveries = map[name]*Redelivery{}
	}
	r = &Redelivery{sequence: c.numberLocked(), of: of, deleted: deleted, settled: make(chan struct{})}
	c.redeliveries[c.nameLocked(key, nil)] = r
	return r, r.sequence, true
}

// isNewestLocked reports whether a state is the newest that the cursor knows under its
// name, with nothing pending, and in which snapshot it was seen.
func (c *Cursor) isNewestLocked(key []byte, seen version, deleted bool) (epoch uint16, ok bool) {
	_, lingers := c.lingering[name(key)] // a worker of an owner before has another one
	if lingers || c.pending[name(key)] != nil {
		return 0, false
	}
	for _, unacked := range c.unackedUIDs[name(key)] {
		if unacked.uid != seen.uid {
			return 0, false
		}
	}
	acked := c.acked.get(key)
	if deleted {
		gone, remembered := c.deleted[name(key)]
		// A deletion that is on its way needs no tombstone.
		return c.epoch, acked == nil && (!remembered || gone == seen.rv || !seen.rv.notAfter(gone))
	}
	if acked == nil || acked.version != seen {
		return 0, false
	}
	return acked.epoch, true
}

// pendRedeliveryLocked makes a state pending that is sent again under that number; nil: it
// is not, or not the newest any more, and then it is settled without an ack.
func (c *Cursor) pendRedeliveryLocked(key []byte, sequence uint64, seen version, deleted bool) *pending {
	r := c.redeliveries[name(key)]
	if r == nil || r.sequence != sequence {
		return nil
	}
	epoch, newest := c.isNewestLocked(key, seen, deleted)
	if !newest {
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
