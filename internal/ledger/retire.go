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

// tellAllLocked says that sinks are told that all is gone. Which of that they have been
// told, an ack says too late: a process may be killed in between. So the store has that
// they may have been before one is: everything is due then, should it be there again.
func (c *Cursor) tellAllLocked() {
	c.distrustLocked()
	if !c.head.Told {
		c.head.Told = true
		c.headsFirstLocked()
	}
}

// mayHaveToldLocked reports whether sinks may have been told that something is gone,
// because the present selection does not have it, although it is acked still: until all
// that a snapshot has come to is acked, there is no resume point.
func (c *Cursor) mayHaveToldLocked() bool { return c.head.Resume == "" }

// Unacked returns how many objects have changes that are observed and not
// acked: Stats' figure, at the price of a lock.
func (c *Cursor) Unacked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}
