package ledger

import (
	"iter"
	"slices"
)

// batch is what one transaction takes of one cursor, so that it can be put
// back.
type batch struct {
	cursor *Cursor
	names  []name
	notes  []name // of these, those whose note was due
	head   bool
	first  bool // the store does not know the cursor yet
	n      int
}

// take returns what is dirty: the notes only, or everything together with the
// resume point that goes with it.
func (c *Cursor) take(all bool) (batch, Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, u := batch{cursor: c}, Update{Cursor: c.head.ID.key()}
	add := func(n name) {
		key := encodeKey(c.namespaceIDs[n.namespace], n.name)
		u.Records = append(u.Records, Record{key, c.encodeLocked(key, n)})
		b.names = append(b.names, n)
	}
	for n := range c.unnoted {
		b.notes = append(b.notes, n)
	}
	switch {
	case all:
		u.Records = make([]Record, 0, len(c.dirty))
		for n := range c.dirty {
			add(n)
		}
		c.dirty = map[name]struct{}{}
		if c.headDirty {
			u.Head, b.head, c.headDirty = c.head.encode(), true, false
		}
	default:
		for _, n := range b.notes {
			add(n)
			delete(c.dirty, n)
		}
		if !c.stored && len(b.notes) > 0 {
			// The resume point goes with the acks, which are not in this one.
			h := c.head
			h.Resume = ""
			u.Head = h.encode()
		}
	}
	if u.Head != nil && !c.stored {
		b.first, c.stored = true, true
	}
	c.unnoted = map[name]struct{}{}
	b.n = len(u.Records)
	return b, u
}

// putBack makes everything in b dirty again.
func (b batch) putBack() {
	c := b.cursor
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range b.names {
		c.dirty[n] = struct{}{}
	}
	for _, n := range b.notes {
		c.unnoted[n] = struct{}{}
	}
	c.headDirty = c.headDirty || b.head
	c.stored = c.stored && !b.first
}

// load fills a cursor from its records.
func (c *Cursor) load(records iter.Seq2[[]byte, []byte]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, value := range records {
		n, err := decodeKey(key)
		if err != nil {
			return err
		}
		k, err := decode(key, value, func(u uid, s string) { c.odd[u] = s })
		if err != nil {
			return err
		}
		at := c.nameLocked(n)
		if k.acked != nil {
			c.acked[at] = object{version: *k.acked}
		}
		if len(k.held) > 0 {
			c.held[at] = k.held
		}
		if k.deleted != 0 {
			c.deleted[at] = k.deleted
			c.forgetting = append(c.forgetting, deletion{at, k.deleted})
		}
	}
	slices.SortFunc(c.forgetting, func(a, b deletion) int {
		switch {
		case a.rv < b.rv:
			return -1
		case a.rv > b.rv:
			return 1
		}
		return 0
	})
	c.last, c.stored = c.head.Resume, true
	return nil
}
