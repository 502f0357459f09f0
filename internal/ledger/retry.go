package ledger

// Retried is a state that is pending for a second time.
type Retried struct {
	Sequence uint64
	settled  chan struct{}
	acked    bool // set before settled is closed
}

// Settled is closed once that state or a newer one of its object is acked, or
// the cursor has forgotten that it is pending.
func (r *Retried) Settled() <-chan struct{} { return r.settled }

// Acked reports, once Settled is closed, whether it was for an ack.
func (r *Retried) Acked() bool { return r.acked }

// Retry makes a state pending again that was acked although some sink may not
// have it. It does so only where that breaks no order: the state is the newest
// that the cursor knows under its name, and nothing there is pending. That is,
// the state is the acked one, or it is a deletion, nothing is acked and no later
// deletion is remembered; and sinks hold no other UID without an ack. The stream
// has Reached its version: else it may yet show what came before. What the stream
// observes later has a higher sequence, and goes before.
func (c *Cursor) Retry(n Name, v Version, deleted bool) (r *Retried, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	seen := version{c.uidLocked(v.UID), parseRV(v.ResourceVersion)}
	if c.lostLocked() || c.pending[name(key)] != nil {
		return nil, false
	}
	for _, held := range c.held[name(key)] {
		if held.uid != seen.uid {
			return nil, false
		}
	}
	epoch := c.epoch // a deletion that is on its way needs no tombstone
	switch acked := c.acked.get(key); {
	case deleted:
		gone, remembered := c.deleted[name(key)]
		if acked != nil || remembered && gone != seen.rv && seen.rv.notAfter(gone) {
			return nil, false
		}
	case acked == nil || acked.version != seen:
		return nil, false
	default:
		epoch = acked.epoch // whether a snapshot under way has listed it
	}
	c.enterLocked(key)
	r = &Retried{Sequence: c.pendLocked(key, nil, seen, deleted, false), settled: make(chan struct{})}
	p := c.pending[name(key)]
	p.epoch = epoch
	c.generationLocked(p.name) // what is observed next comes behind this
	if c.retried == nil {
		c.retried = map[name]*Retried{}
	}
	c.retried[p.name] = r
	return r, true
}

// Withdraw takes back a Retry whose state could not be handed over, unless something
// newer has settled it or is about to.
func (c *Cursor) Withdraw(n Name, r *Retried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	p := c.pending[name(key)]
	if p == nil || c.retried[p.name] != r || p.waiting.last != r.Sequence {
		return
	}
	delete(c.retried, p.name)
	close(r.settled)
	c.order.remove(&p.waiting)
	if !p.begun.listed() {
		c.settledLocked(p)
		c.leftLocked(key)
	}
	c.advanceLocked()
}

// settleLocked says that a state of n with that sequence is acked.
func (c *Cursor) settleLocked(n name, sequence uint64) {
	if r := c.retried[n]; r != nil && sequence >= r.Sequence {
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
