package ledger

import (
	"cmp"
	"iter"
	"slices"
	"time"
)

// load takes in a cursor of the store. One that an earlier version has written
// becomes one for each sink.
func (l *Ledger) load(key string, encoded []byte, records iter.Seq2[[]byte, []byte], now time.Time) error {
	h, err := decodeHead(key, encoded)
	if err != nil {
		return err
	}
	routes, due := []string{h.ID.Route}, false
	if before := h.ID.Route == "" && len(*l.routes.Load()) > 0; before && len(h.sinks) > 0 {
		routes = h.sinks
	} else if before {
		routes, due = *l.routes.Load(), true
	}
	converted := routes[0] != h.ID.Route
	h.ID.Route = routes[0]
	first, before, err := l.addLoadedLocked(key, h, now)
	if err != nil {
		return err
	}
	if err := first.load(records, l.siblingLocked(h.ID)); err != nil {
		return err
	}
	for _, route := range routes[1:] {
		h.ID.Route = route
		c, before, err := l.addLoadedLocked("", h, now)
		if err != nil {
			return err
		}
		c.loadLike(first)
		c.convert(due)
		l.mergeLocked(c, before)
	}
	if converted {
		first.convert(due)
	}
	l.mergeLocked(first, before)
	return nil
}

// siblingLocked returns a cursor of the same stream on its way to another sink that has
// been loaded before, nil if there is none.
func (l *Ledger) siblingLocked(id StreamID) *Cursor {
	own := id.Route
	for _, id.Route = range *l.routes.Load() {
		if c := l.cursors[id]; c != nil && id.Route != own {
			return c
		}
	}
	return nil
}

// addLoadedLocked adds a cursor without its objects; without a key, it gets one.
// There may have been one before, of another selection: an earlier version had
// selectors in the name.
func (l *Ledger) addLoadedLocked(key string, h head, now time.Time) (c, before *Cursor, err error) {
	if before = l.cursors[h.ID]; before != nil && before.head.Selection == h.Selection {
		return nil, nil, twice(h.ID)
	}
	c = l.newCursorLocked(h.ID)
	c.key, c.head, c.headDirty = cmp.Or(key, c.key), h, false
	c.counted = now
	if h.Left.IsZero() {
		// Until Join says that its cluster is still in the fleet. This is not
		// stored: a process that ends before Join knows nothing about it.
		c.missed = now
	}
	return c, before, nil
}

// mergeLocked moves all that a cursor knows to the one before, if there is one.
func (l *Ledger) mergeLocked(c, before *Cursor) {
	if before == nil {
		return
	}
	m := move{from: c, to: func() *Cursor { return before }, in: func(string) bool { return true }, whole: &c.cluster.whole, atOnce: l.moveAtOnce}
	m.run()
	l.dropLocked(before.ID(), c)
	l.cursors[before.ID()] = before
}

// convert has all of the cursor stored with the next transaction.
func (c *Cursor) convert(due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headDirty, c.headFirst = true, true
	if due && !c.isEmptyLocked() {
		c.raiseDueLocked()
	}
}

// load fills a cursor from its records. Names that a sibling has, too, are in memory
// once: they are most of what an object takes.
func (c *Cursor) load(records iter.Seq2[[]byte, []byte], sibling *Cursor) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, value := range records {
		k, err := decodeRecord(key, value, func(u uid, s string) {
			if _, ok := c.nonUUIDs[u]; !ok {
				c.nonUUIDs[u] = s
				c.takesLocked(0, int64(len(s)))
			}
		})
		if err != nil {
			return err
		}
		n := sibling.nameLike(key)
		c.takesLocked(1, entrySize(key))
		if k.isAcked {
			o := object{version: k.acked, name: n}
			if k.due == c.head.Due {
				o.due = c.due
			}
			if !c.head.Digests {
				k.digest = 0
			}
			c.acked.add(o, k.digest)
			c.seenLocked(k.acked.rv)
		}
		c.setUnackedLocked(n, k.unacked)
		for _, h := range k.unacked {
			c.seenLocked(h.rv)
		}
		if k.isDeleted {
			c.deleted[n] = k.deleted
			c.forgetting = append(c.forgetting, deletion{n, k.deleted})
			c.seenLocked(k.deleted)
		}
	}
	c.acked.index()
	slices.SortFunc(c.forgetting, func(a, b deletion) int { return cmp.Compare(a.rv, b.rv) })
	c.last, c.stored, c.storedAt = c.head.Resume, true, c.head.Resume
	c.passedLocked(c.head.Resume)
	c.seenLocked(parseRV(c.head.Resume))
	c.loadedLocked()
	return nil
}

// loadedLocked goes on where the process before has ended, or was killed.
func (c *Cursor) loadedLocked() {
	lostSight := !c.head.Clean && (!c.isEmptyLocked() || c.head.Resume != "")
	c.loadNumbersLocked()
	switch {
	case lostSight && c.head.before:
		c.raiseGenerationLocked() // see lostSightLocked: that version has not kept to it
	case lostSight:
		c.lostSightLocked()
	}
}

// nameLike returns the name with that key, of what the cursor has if it can; the
// cursor may be nil. Nothing else uses it meanwhile.
func (c *Cursor) nameLike(key []byte) name {
	if c != nil {
		if o := c.acked.get(key); o != nil {
			return o.name
		}
	}
	return name(key)
}

// loadLike fills a cursor with what another one was loaded with; both share the
// names' memory. The store has nothing of it.
func (c *Cursor) loadLike(other *Cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for o := range other.acked.all() {
		c.acked.add(object{version: o.version, name: o.name, due: o.due}, 0)
		c.touchLocked(o.name)
	}
	c.acked.index()
	for n, unacked := range other.unackedUIDs {
		c.unackedUIDs[n] = slices.Clone(unacked)
		c.touchLocked(n)
	}
	for n, gone := range other.deleted {
		c.deleted[n] = gone
		c.touchLocked(n)
	}
	for u, s := range other.nonUUIDs {
		c.nonUUIDs[u] = s
	}
	c.takesLocked(other.usage.Objects, other.usage.Bytes)
	c.forgetting, c.newest = slices.Clone(other.forgetting), other.newest
	c.last = c.head.Resume
	c.passedLocked(c.head.Resume)
	lostSight := other.reobserved != nil
	c.beginNumbersLocked(other.numbers.limit)
	switch {
	case lostSight:
		c.lostSightLocked()
	case other.head.Generation > c.head.Generation:
		c.raiseGenerationLocked()
	}
}
