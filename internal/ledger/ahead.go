package ledger

import "slices"

// aheadAtOnce bounds what one transaction notes ahead of one cursor.
const aheadAtOnce = 4096

// ahead is a UID noted before a worker has begun it. Its record in the store
// says that a sink may hold it, as a note does: should the process end, it is
// delivered or deleted like any other.
type ahead struct {
	version
	number uint64 // of the note; 0: there is none
	stored bool   // the store has it
}

// freshLocked says that the store may not know the UID that was observed last.
func (c *Cursor) freshLocked(p *pending) {
	if !p.queued {
		p.queued = true
		c.fresh = append(c.fresh, p)
	}
}

// noteAheadLocked adds notes of UIDs that wait to be begun to those that a
// transaction takes anyway: whoever begins one then need not wait for one of its
// own. A newer state that replaces a waiting one takes its note out again, a
// deletion when it is acked.
func (c *Cursor) noteAheadLocked(notes []note) []note {
	looked, most := 0, len(notes)+aheadAtOnce
	for _, p := range c.fresh {
		if len(notes) == most {
			break
		}
		looked++
		p.queued = false
		if c.pending[p.name] != p || p.deleted || p.ahead.number != 0 && p.ahead.uid == p.latest {
			continue
		}
		key := []byte(p.name)
		if o := c.acked.get(key); o != nil && o.uid == p.latest {
			continue
		}
		if slices.ContainsFunc(c.held[p.name], func(h version) bool { return h.uid == p.latest }) {
			continue
		}
		c.notes++
		p.ahead = ahead{version: version{p.latest, p.rv}, number: c.notes}
		notes = append(notes, note{p.name, c.notes})
	}
	if c.fresh = slices.Delete(c.fresh, 0, looked); len(c.fresh) == 0 {
		c.fresh = nil
	}
	return notes
}

// holdAheadLocked makes of what is noted ahead what a restart would make of it.
func (c *Cursor) holdAheadLocked() {
	for n, p := range c.pending {
		if p.ahead.number == 0 {
			continue
		}
		c.held[n] = append(c.held[n], p.ahead.version)
		if !p.ahead.stored {
			c.unnoted[n] = max(c.unnoted[n], p.ahead.number)
		}
	}
	c.fresh = nil
}
