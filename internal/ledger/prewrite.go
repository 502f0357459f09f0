package ledger

import "slices"

// prewriteAtOnce bounds how many intents one transaction prewrites of one cursor.
const prewriteAtOnce = 4096

// prewritten is a UID whose intent is written before a worker has begun it. Its record in
// the store says that a sink may hold it: if the process ends, it is delivered or
// deleted like any other.
type prewritten struct {
	version
	number uint64 // of the intent; 0: there is none
	stored bool   // the store has it
}

// prewritableLocked makes an object a candidate, because the store may not know the UID that
// was observed last.
func (c *Cursor) prewritableLocked(p *pending) {
	if !p.queued {
		p.queued = true
		c.prewritable = append(c.prewritable, p)
	}
}

// prewriteLocked adds intents for UIDs that wait to those that a transaction takes
// anyway: the worker that begins such a UID then need not wait for a transaction of
// its own. A newer state that replaces a waiting one removes its intent again, a
// deletion does when it is acked.
func (c *Cursor) prewriteLocked(intents []intent) []intent {
	looked, most := 0, len(intents)+prewriteAtOnce
	for _, p := range c.prewritable {
		if len(intents) == most {
			break
		}
		looked++
		p.queued = false
		if c.pending[p.name] != p || p.deleted || p.prewritten.number != 0 && p.prewritten.uid == p.latest {
			continue
		}
		key := []byte(p.name)
		if o := c.acked.get(key); o != nil && o.uid == p.latest {
			continue
		}
		unacked := c.unackedUIDs[p.name]
		if slices.ContainsFunc(unacked, func(h version) bool { return h.uid == p.latest }) {
			continue
		}
		if len(unacked) >= c.ghostsAtOnce {
			continue // their deletions go first, and restarts must not add to them
		}
		c.lastIntent++
		p.prewritten = prewritten{version: version{p.latest, p.rv}, number: c.lastIntent}
		intents = append(intents, intent{p.name, c.lastIntent})
	}
	if c.prewritable = slices.Delete(c.prewritable, 0, looked); len(c.prewritable) == 0 {
		c.prewritable = nil
	}
	return intents
}

// keepPrewrittenLocked makes prewritten UIDs unacked ones, as a restart does.
func (c *Cursor) keepPrewrittenLocked() {
	for n, p := range c.pending {
		if p.prewritten.number == 0 {
			continue
		}
		c.setUnackedLocked(n, append(c.unackedUIDs[n], p.prewritten.version))
		if !p.prewritten.stored {
			c.unstoredIntents[n] = max(c.unstoredIntents[n], p.prewritten.number)
		}
	}
	c.prewritable = nil
}
