package ledger

import (
	"fmt"
	"iter"
	"strings"
)

// What a cursor remembers as acked may be due again: because of a replay, or because
// it is delivered in another form now. Then a state is a repeat only if it was acked
// since, that is, if it was observed after the cursor's due number was raised. Each
// object remembers under which it was acked, and so does the store: what interrupts
// costs what was under way, never the start.

// RaiseDue makes everything due: all that exists is delivered again, once, by the
// next snapshot, and those after it if that one is interrupted. There is no resume
// point before all of it is acked. Ledger.Flush returns once that is stored. It may
// be called from any goroutine, through any handle; a stream that follows the cursor
// is to begin a snapshot.
func (c *Cursor) RaiseDue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raiseDueLocked()
}

func (c *Cursor) raiseDueLocked() {
	c.allDueLocked()
	c.anewLocked()
}

// allDueLocked makes everything due; the snapshot that is to tell it may be under way.
func (c *Cursor) allDueLocked() {
	c.head.Due++
	c.dueSince = c.numbers.last
	if c.due++; c.due == 0 {
		for o := range c.acked.all() {
			o.due = 0
		}
		c.due = 1
	}
	// Acks from here on are under this number. Stored under the one before, they
	// would be taken for done when that is raised.
	c.headDirty, c.headFirst = true, true
}

// RaiseDueOf makes some objects due: those of names that were acked, and are not due already,
// are delivered again, once, by the next snapshot, and those after it if that one is
// interrupted. It returns how many these are. If there are none, nothing has changed. What is
// pending is delivered in any case. Otherwise it is as RaiseDue. Names may call methods of
// the cursor, such as Names.
func (c *Cursor) RaiseDueOf(names iter.Seq[Name]) (n int) {
	for name := range names {
		if c.raiseDueOf(name) {
			n++
		}
	}
	if n > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.anewLocked()
	}
	return n
}

func (c *Cursor) raiseDueOf(n Name) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.acked.get(c.keyLocked(n))
	if o == nil || o.due != c.due || c.lostLocked() {
		return false
	}
	o.due = 0 // no cursor's number
	c.touchLocked(o.name)
	return true
}

// CountAcked returns how many of these names are of objects that the sink has accepted.
func (c *Cursor) CountAcked(names iter.Seq[Name]) (n int) {
	for name := range names {
		if acked, _, _ := c.Lookup(name); acked != (Version{}) {
			n++
		}
	}
	return n
}

// anewLocked says that only a snapshot will do that begins from here on. Until then the
// watch may go on.
func (c *Cursor) anewLocked() {
	c.needsSnapshot = true
	if c.last != "" {
		c.watchedLocked(parseRV(c.last))
	}
	c.invalidateResumePointLocked()
}

// dueOfLocked returns what an object is acked under whose state has that sequence;
// o is what was acked before, if anything.
func (c *Cursor) dueOfLocked(o *object, n name, sequence uint64) uint16 {
	if r := c.redeliveries[n]; r != nil && r.sequence == sequence {
		if o == nil {
			return 0
		}
		return o.due // it is as it was then
	}
	if sequence <= c.dueSince {
		return 0
	}
	return c.due
}

// dueNumberLocked returns the number that is stored of an object: the one below the head's for
// what is due, which below 0 is the largest.
func (c *Cursor) dueNumberLocked(o *object) uint32 {
	if o.due == c.due {
		return c.head.Due
	}
	return c.head.Due - 1
}

// nextEpochLocked numbers the snapshot that begins.
func (c *Cursor) nextEpochLocked() {
	if c.epoch++; c.epoch != 0 {
		return
	}
	for o := range c.acked.all() {
		o.epoch = 0
	}
	for _, p := range c.pending {
		p.epoch = 0
	}
	c.epoch, c.undoneIn = 1, 0
}

// SetForm sets the form in which the stream delivers states from here on, such as
// "metadata of v1". If objects were acked in another form, everything is due, and
// SetForm returns why, in words; else "". It is called before the stream observes
// anything.
func (c *Cursor) SetForm(form string) (due string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.head
	if c.lostLocked() || h.Form == form {
		return ""
	}
	if !isForm(h.Form, form) && !c.isEmptyLocked() {
		due = fmt.Sprintf("delivered as %q now, as %q before", form, h.Form)
		c.raiseDueLocked()
		c.raiseGenerationLocked() // the same versions say something else
	}
	h.Form = form
	c.headDirty, c.headFirst = true, true
	return due
}

// isEmptyLocked reports whether no sink may hold anything of the cursor.
func (c *Cursor) isEmptyLocked() bool {
	return c.acked.len() == 0 && len(c.unackedUIDs) == 0 && len(c.pending) == 0
}

// isForm reports whether objects that were delivered in the stored form were delivered
// in the given one. A stored form without a version is from a program that stored
// only versions that the operator had written: it may have been any.
func isForm(stored, form string) bool {
	return stored == form || strings.HasPrefix(form, stored+" of ")
}
