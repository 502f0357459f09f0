package ledger

// Retried is a state that is sent for a second time.
type Retried struct {
	sequence uint64
	of       version
	deleted  bool
	settled  chan struct{}
	acked    bool // set before settled is closed
}

// Settled is closed once that state or a newer one of its object is acked, or
// the cursor has forgotten that it is sent.
func (r *Retried) Settled() <-chan struct{} { return r.settled }

// Acked reports, once Settled is closed, whether it was for an ack.
func (r *Retried) Acked() bool { return r.acked }

// Retry gives a number to a state that was acked although some sink may not have it, to
// be handed over once more under that. It does so only where that breaks no order: the
// state is the newest that the cursor knows under its name, and nothing there is pending.
// That is, the state is the acked one, or it is a deletion, nothing is acked and no later
// deletion is remembered; and sinks hold no other UID without an ack. The stream
// has Reached its version: else it may yet show what came before.
//
// The number is all that there is of it until Begin, where the state is pending if it is
// the newest still. What the stream observes later has a higher one, and goes before. The
// same state has the same number while it is not settled. Another state under the name
// settles the one before without an ack. One that is never handed over has changed
// nothing else.
func (c *Cursor) Retry(n Name, v Version, deleted bool) (r *Retried, sequence uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, of := c.keyLocked(n), c.versionLocked(v)
	if _, newest := c.isNewestLocked(key, of, deleted); !newest || c.lostLocked() {
		return nil, 0, false
	}
	if r = c.retried[name(key)]; r != nil && r.of == of && r.deleted == deleted {
		return r, r.sequence, true
	}
	if r != nil {
		close(r.settled)
	}
	if c.retried == nil {
		c.retried = map[name]*Retried{}
	}
	r = &Retried{sequence: c.numberLocked(), of: of, deleted: deleted, settled: make(chan struct{})}
	c.retried[c.nameLocked(key, nil)] = r
	return r, r.sequence, true
}

// isNewestLocked reports whether a state is the newest that the cursor knows under its
// name, with nothing pending, and in which snapshot it was seen.
func (c *Cursor) isNewestLocked(key []byte, seen version, deleted bool) (epoch uint16, ok bool) {
	_, lingers := c.lingering[name(key)] // a worker of an owner before has another one
	if lingers || c.pending[name(key)] != nil {
		return 0, false
	}
	for _, held := range c.held[name(key)] {
		if held.uid != seen.uid {
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

// pendRetriedLocked makes a state pending that is sent again under that number; nil: it
// is not, or not the newest any more, and then it is settled without an ack.
func (c *Cursor) pendRetriedLocked(key []byte, sequence uint64, seen version, deleted bool) *pending {
	r := c.retried[name(key)]
	if r == nil || r.sequence != sequence {
		return nil
	}
	epoch, newest := c.isNewestLocked(key, seen, deleted)
	if !newest {
		if c.pending[name(key)] == nil { // else its ack settles this one
			delete(c.retried, name(key))
			close(r.settled)
		}
		return nil
	}
	c.enterLocked(key)
	p := c.addPendingLocked(c.nameLocked(key, nil))
	c.pendAsLocked(p, sequence, seen, deleted, false)
	p.epoch = epoch
	c.generationLocked(p.name) // what is observed next comes behind this
	return p
}

// settleLocked says that a state of n with that sequence is acked.
func (c *Cursor) settleLocked(n name, sequence uint64) {
	if r := c.retried[n]; r != nil && sequence >= r.sequence {
		delete(c.retried, n)
		r.acked = true
		close(r.settled)
	}
}

// abandonLocked says that nothing is pending any more.
func (c *Cursor) abandonLocked() {
	for _, r := range c.retried {
		close(r.settled)
	}
	c.retried = nil
}
