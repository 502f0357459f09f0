package ledger

import (
	"maps"
	"slices"
)

// batch is what one transaction takes of one cursor, so that it can be put
// back.
type batch struct {
	cursor  *Cursor
	names   []name
	intents []intent // those of these
	head    bool
	resume  string // of the head
	limit   uint64 // of the head, also of one that tells nothing else
	first   bool   // the store does not know the cursor yet

	awaited awaited // of these names, and of the head

	headFirst bool     // as the cursor's
	kept      []string // keys of what is kept
	became    bool     // as the cursor's
	gaveUp    int      // deletions that were remembered when the resume point was given up; 0: it was not
}

// intent says that the store must know of a UID before a sink does.
type intent struct {
	name   name
	number uint64
}

// take returns what is dirty: the intents only, or everything together with the
// resume point that goes with it.
func (c *Cursor) take(all bool) (batch, Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, u := batch{cursor: c}, Update{Cursor: c.key}
	if c.dropped {
		return b, u
	}
	c.listed.intents, c.listed.rest = false, c.listed.rest && !all
	if len(c.kept.dirty) > 0 {
		c.takeKeptLocked(&b, &u)
	}
	all = all || c.headFirst
	if !c.headDirty && len(c.dirty)+len(c.unstoredIntents)+len(c.prewritable)+len(c.forgetting) == 0 {
		return b, u // as most are each second, in a fleet at rest
	}
	for n, number := range c.unstoredIntents {
		b.intents = append(b.intents, intent{n, number})
	}
	b.intents = c.prewriteLocked(b.intents)
	if all {
		c.forgetLocked()
		for _, n := range b.intents {
			c.dirty[n.name] = struct{}{}
		}
		b.names = slices.AppendSeq(make([]name, 0, len(c.dirty)), maps.Keys(c.dirty))
		c.dirty = map[name]struct{}{}
		if c.headDirty {
			u.Head, b.head, b.resume, c.headDirty = c.head.encode(c.key), true, c.head.Resume, false
			b.limit = c.head.Limit
			b.became, c.became = c.became, false
			if c.storedAt == "" && b.resume != "" {
				// From when the store may have one, until it has another, or none again.
				c.storedAt = b.resume
			}
		}
		b.headFirst, c.headFirst = c.headFirst, false
		if c.gaveUp {
			b.gaveUp, c.gaveUp = len(c.deleted), false
		}
	} else {
		for _, n := range b.intents {
			b.names = append(b.names, n.name)
			delete(c.dirty, n.name)
		}
		if len(b.intents) > 0 {
			b.names = c.takeAlongLocked(b.names)
		}
		if !c.stored && len(b.intents) > 0 {
			// The resume point goes with all acks, not with some.
			h := c.head
			h.Resume = ""
			u.Head, b.limit = h.encode(c.key), h.Limit
		}
	}
	b.awaited = c.takeAwaitedLocked(b.names, b.head)
	if len(b.names) > 0 {
		u.Records = c.encodeAllLocked(b.names)
	}
	if u.Head != nil && !c.stored {
		b.first, c.stored = true, true
	}
	return b, u
}

// encodeAllLocked returns the records of objects, which lie in few large pieces
// of memory.
func (c *Cursor) encodeAllLocked(names []name) []Record {
	const piece, usual = 16 << 10, 256 // bytes; what one key and its value take
	records := make([]Record, len(names))
	var free []byte
	for i, n := range names {
		if cap(free)-len(free) < usual+len(n) {
			free = make([]byte, 0, min(piece, len(names)*usual)+len(n))
		}
		at := len(free)
		free = append(free, n...)
		key := free[at:len(free):len(free)]
		at = len(free)
		if free = c.encodeLocked(free, key, n); len(free) > at {
			records[i].Value = free[at:len(free):len(free)]
		}
		records[i].Key = key
	}
	return records
}

// takenAlong bounds the acks that go with the intents of a transaction.
const takenAlong = 4096

// takeAlongLocked adds objects whose record is behind to those of a transaction
// that has intents anyway. Else a first snapshot would gather so many within
// an interval that one transaction of them takes tens of MiB. Without the resume
// point that goes with them, acks only suppress repeats.
func (c *Cursor) takeAlongLocked(names []name) []name {
	most := len(names) + takenAlong
	for n := range c.dirty {
		if len(names) == most {
			break
		}
		names = append(names, n)
		delete(c.dirty, n)
	}
	return names
}

// written says that the store has what is in b.
func (b batch) written() {
	defer b.awaited.call() // once the lock is given back
	c := b.cursor
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range b.intents {
		// Until now, a worker that began the object again had to wait too. There may
		// be an intent for another UID meanwhile.
		if c.unstoredIntents[n.name] == n.number {
			delete(c.unstoredIntents, n.name)
		}
		if p := c.pending[n.name]; p != nil && p.prewritten.number == n.number {
			p.prewritten.stored = true
		}
	}
	c.numbers.stored = max(c.numbers.stored, b.limit)
	if b.head {
		c.storedAt = b.resume
		c.passedLocked(b.resume)
	}
}

// putBack makes everything in b dirty again.
func (b batch) putBack() {
	c := b.cursor
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range b.names {
		c.dirty[n] = struct{}{}
	}
	c.awaitAgainLocked(b.awaited)
	c.kept.putBack(b.kept)
	c.headDirty = c.headDirty || b.head
	c.headFirst = c.headFirst || b.headFirst
	c.became = c.became || b.became
	c.stored = c.stored && !b.first
}
