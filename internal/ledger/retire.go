package ledger

// InvalidateResumePoint makes sure that no watch starts from what the cursor remembers, also
// after a restart: the server no longer has that history, or it has turned out
// to be incomplete. Until all of a snapshot is acked, there is no resume point.
func (c *Cursor) InvalidateResumePoint() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.invalidateResumePointLocked()
}

func (c *Cursor) invalidateResumePointLocked() {
	c.last = ""
	for s := c.order.root.next; s != &c.order.root; s = s.next {
		s.before = ""
	}
	c.advanceLocked()
}

// tellAllLocked is called before the deletion of everything is delivered. An ack would
// tell too late what the sink has had, because the process may be killed in between. So
// before the first deletion, the store records that there may have been some: everything
// is due then, if it is there again.
func (c *Cursor) tellAllLocked() {
	c.needsSnapshot = false // no watch goes on
	c.invalidateResumePointLocked()
	if !c.head.Told {
		c.head.Told = true
		c.headsFirstLocked()
	}
}

// mayHaveToldLocked reports whether sinks may have been told that something is gone,
// because the present selection does not have it, although it is acked still: until all
// that a snapshot has come to is acked, there is no resume point.
func (c *Cursor) mayHaveToldLocked() bool { return c.head.Resume == "" }

// mayHaveTold is mayHaveToldLocked.
func (c *Cursor) mayHaveTold() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mayHaveToldLocked()
}

// Unacked returns how many objects have changes that are observed and not
// acked: Stats' figure, at the price of a lock.
func (c *Cursor) Unacked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}
