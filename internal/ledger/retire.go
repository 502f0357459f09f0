package ledger

// Distrust says that no watch may start from what the cursor remembers, also
// after a restart: the server no longer has that history, or it has turned out
// to be incomplete. Until all of a snapshot is acked, there is no resume point.
func (c *Cursor) Distrust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.distrustLocked()
}

func (c *Cursor) distrustLocked() {
	c.last = ""
	for s := c.order.root.next; s != &c.order.root; s = s.next {
		s.before = ""
	}
	c.advanceLocked()
}

// Replay is Observe for an object that a snapshot holds, but the state is
// delivered even if sinks have accepted it before: the verdict is Deliver or
// Refused.
func (c *Cursor) Replay(n Name, v Version) (sequence uint64, verdict Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	p := c.pending[name(key)]
	if p != nil {
		p.epoch = c.epoch
	}
	if !c.knowsLocked(key) && !c.admitLocked(key, false) {
		return 0, Refused
	}
	return c.pendLocked(key, p, version{c.uidLocked(v.UID), parseRV(v.ResourceVersion)}, false, true), Deliver
}

// Unacked returns how many objects have changes that are observed and not
// acked: Stats' figure, at the price of a lock.
func (c *Cursor) Unacked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}
