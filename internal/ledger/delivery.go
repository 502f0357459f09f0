package ledger

import (
	"context"
	"slices"
)

// Begin is called before a change is handed to any sink. It returns the other
// UIDs that a sink may hold under that name, which are to be deleted first, and
// whether sinks have accepted a state of this UID before. A UID that the store
// has never seen is noted in it before Begin returns. While the store fails,
// Begin blocks: it returns an error only when ctx ends.
func (c *Cursor) Begin(ctx context.Context, ticket uint64, n Name, v Version, deleted bool) (ghosts []string, known bool, err error) {
	ghosts, known, unnoted := c.begin(ticket, n, v, deleted)
	if c.writer != nil {
		if err := c.writer.wait(ctx, unnoted); err != nil {
			return nil, false, err
		}
	}
	return ghosts, known, nil
}

// begin does all of Begin but wait for the store; unnoted says that it must.
func (c *Cursor) begin(ticket uint64, n Name, v Version, deleted bool) (ghosts []string, known, unnoted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, u := c.nameLocked(n), c.uidLocked(v.UID)

	if p := c.pending[key]; p != nil {
		c.beginLocked(p, ticket)
	}
	acked, ok := c.acked[key]
	known = ok && acked.uid == u
	if ok && !known {
		ghosts = append(ghosts, c.formatLocked(acked.uid))
	}
	for _, h := range c.held[key] {
		if h != u && (!ok || h != acked.uid) {
			ghosts = append(ghosts, c.formatLocked(h))
		}
	}
	if !deleted && !known && !slices.Contains(c.held[key], u) {
		c.held[key] = append(c.held[key], u)
		if c.writer != nil {
			c.dirty[key], c.unnoted[key] = struct{}{}, struct{}{}
		}
	}
	// Also when an earlier Begin gave up before the note was stored.
	_, unnoted = c.unnoted[key]
	return ghosts, known, unnoted
}

// touchLocked notes that the record of an object is behind.
func (c *Cursor) touchLocked(key name) {
	if c.writer != nil {
		c.dirty[key] = struct{}{}
	}
}

// beginLocked moves what is covered up to ticket from waiting to begun.
func (c *Cursor) beginLocked(p *pending, ticket uint64) {
	if p.waiting == nil {
		return // taken again after a failure
	}
	waiting := p.waiting.Value.(*span)
	switch {
	case p.begun == nil && ticket >= waiting.last:
		p.begun, p.waiting = p.waiting, nil
	case p.begun == nil:
		// The worker took the older item just before the stream replaced it
		// in the queue by one that is observed already.
		p.begun = c.order.split(p.waiting, ticket)
	case ticket >= waiting.last:
		// A newer state took the place of one that had failed.
		p.begun.Value.(*span).last = waiting.last
		c.order.Remove(p.waiting)
		p.waiting = nil
	default:
		s := p.begun.Value.(*span)
		s.last = max(s.last, ticket)
	}
}

// Ack is called after Begin, once every sink has durably accepted the change.
func (c *Cursor) Ack(ticket uint64, n Name, v Version, deleted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.nameLocked(n)
	seen := version{c.uidLocked(v.UID), parseRV(v.ResourceVersion)}

	epoch := c.acked[key].epoch
	if p := c.pending[key]; p != nil {
		epoch = max(epoch, p.epoch)
		if p.begun != nil && ticket >= p.begun.Value.(*span).last {
			c.order.Remove(p.begun)
			p.begun = nil
		}
		if p.begun == nil && p.waiting == nil {
			delete(c.pending, key)
		}
	}
	delete(c.held, key)
	if deleted {
		delete(c.acked, key)
		if seen.rv&unordered == 0 {
			c.deleted[key] = seen.rv
			c.forgetting = append(c.forgetting, deletion{key, seen.rv})
		}
	} else {
		c.acked[key] = object{version: seen, epoch: epoch}
		delete(c.deleted, key)
	}
	c.touchLocked(key)
	c.advanceLocked()
}

// advanceLocked moves the resume point as far as acks allow, and forgets the
// deletions that a watch from there no longer shows. What a snapshot observed
// has the last frame before that snapshot as its start: there is no new resume
// point until the snapshot is over and all of it acked.
func (c *Cursor) advanceLocked() {
	to := c.last
	if oldest := c.order.head(); oldest != nil {
		to = oldest.before
	}
	if to != c.head.Resume {
		c.head.Resume, c.headDirty = to, true
	}
	if to == "" || len(c.forgetting) == 0 {
		return
	}
	resume := parseRV(to)
	done := 0
	for _, d := range c.forgetting {
		if current, ok := c.deleted[d.name]; ok && current == d.rv {
			if !d.rv.notAfter(resume) {
				break
			}
			delete(c.deleted, d.name)
			c.touchLocked(d.name)
		}
		done++
	}
	if c.forgetting = c.forgetting[done:]; len(c.forgetting) == 0 {
		c.forgetting = nil
	}
}

func (c *Cursor) nameLocked(n Name) name {
	id, ok := c.namespaces[n.Namespace]
	if !ok {
		id = uint32(len(c.namespaceIDs))
		c.namespaces[n.Namespace] = id
		c.namespaceIDs = append(c.namespaceIDs, n.Namespace)
	}
	return name{id, n.Name}
}

func (c *Cursor) uidLocked(s string) uid {
	if u, ok := parseUID(s); ok {
		return u
	}
	u := digestUID(s)
	if _, ok := c.odd[u]; !ok {
		c.odd[u] = s
	}
	return u
}

func (c *Cursor) formatLocked(u uid) string {
	if s, ok := c.odd[u]; ok {
		return s
	}
	return u.format()
}
