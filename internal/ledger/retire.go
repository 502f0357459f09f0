package ledger

import "strconv"

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

// Retire returns a tombstone for every object that a sink may hold, with the
// newest version that the cursor knows of. It is for a cluster that another one
// has replaced: the stream hands the tombstones over, and drops the cursor once
// Unacked is 0. A stream that is interrupted before calls Retire again and gets
// those that are not acked. Should the cluster come back after all, it takes a
// snapshot to go on.
func (c *Cursor) Retire() []Tombstone {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return nil
	}
	if !c.head.Told {
		c.head.Told, c.headDirty = true, true
	}
	at := c.newestLocked()
	c.distrustLocked()
	gone := make([]Tombstone, 0, c.acked.len())
	retire := func(n name, u uid) {
		whole, _ := n.split()
		gone = append(gone, Tombstone{
			Name:       whole,
			Version:    Version{c.formatLocked(u), at},
			Sequence:   c.pendLocked([]byte(n), c.pending[n], version{u, parseRV(at)}, true, true),
			Generation: c.head.Generation,
		})
	}
	// Those first, so that they are not taken for what is acked or held: it
	// becomes pending here.
	done := make(map[name]struct{}, len(c.pending))
	for n, p := range c.pending {
		done[n] = struct{}{}
		// Also a deletion that a worker holds: its place in the queue may have
		// been taken by another cluster's object.
		retire(n, p.latest)
	}
	for o := range c.acked.all() {
		if _, ok := done[o.name]; !ok {
			retire(o.name, o.uid)
		}
	}
	for n, held := range c.held {
		if c.pending[n] == nil {
			retire(n, held[len(held)-1].uid)
		}
	}
	return gone
}

// newestLocked returns the newest version that the cursor knows of, "0" if it
// knows none.
func (c *Cursor) newestLocked() string {
	newest := parseRV(c.last)
	if newest&unordered != 0 {
		newest = 0
	}
	for o := range c.acked.all() {
		if o.rv&unordered == 0 {
			newest = max(newest, o.rv)
		}
	}
	if newest == 0 && c.last != "" {
		return c.last
	}
	return strconv.FormatUint(uint64(newest), 10)
}

// Unacked returns how many objects have changes that are observed and not
// acked: Stats' figure, at the price of a lock.
func (c *Cursor) Unacked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}
