package ledger

import (
	"iter"
	"math"
	"strconv"
)

// Lookup tells what the cursor knows of an object: the acked version, empty if
// none is acked; whether there are changes of it that are observed, not acked, and
// on their way to a sink; and whether a sink may hold it. A version that is no
// number is returned empty.
func (c *Cursor) Lookup(n Name) (acked Version, pending, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.keyLocked(n)
	o := c.acked.get(key)
	if o != nil {
		acked.UID = c.formatLocked(o.uid)
		if o.rv&unordered == 0 {
			acked.ResourceVersion = strconv.FormatUint(uint64(o.rv), 10)
		}
	}
	p := c.pending[name(key)]
	pending = p != nil && p.left < max(p.begun.last, p.waiting.last)
	_, held := c.held[name(key)]
	return acked, pending, o != nil || held
}

// namesAtOnce is for how many objects Names holds the lock.
const namesAtOnce = 256

// Names ranges over the objects that a sink may hold, and lets the stream and
// the workers go on meanwhile. What they add or remove may be left out or come
// twice; all else comes at least once.
func (c *Cursor) Names() iter.Seq[Name] {
	return func(yield func(Name) bool) {
		for from := uint32(math.MaxUint32); from > 0; {
			var names []Name
			names, from = c.someNames(from)
			for _, n := range names {
				if !yield(n) {
					return
				}
			}
		}
		for _, n := range c.heldOnly() {
			if !yield(n) {
				return
			}
		}
	}
}

// someNames returns the names in some places below one, and the lowest of these.
func (c *Cursor) someNames(below uint32) (names []Name, lowest uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := min(below, uint32(c.acked.len()))
	for ; i > 0 && len(names) < namesAtOnce; i-- {
		n, _ := c.acked.at(i - 1).name.split()
		names = append(names, n)
	}
	return names, i
}

// heldOnly returns the objects without an acked state. There are few: they are
// on their way.
func (c *Cursor) heldOnly() (names []Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for held := range c.held {
		if c.acked.get([]byte(held)) == nil {
			n, _ := held.split()
			names = append(names, n)
		}
	}
	return names
}
