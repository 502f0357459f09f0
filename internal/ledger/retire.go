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

// Unacked returns how many objects have changes that are observed and not
// acked: Stats' figure, at the price of a lock.
func (c *Cursor) Unacked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}
