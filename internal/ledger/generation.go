package ledger

// The generation of a cursor tells apart what comes to the same UID and version
// twice, although something else was told in between: because a backup was restored,
// or another selection has deleted what this one holds. Sinks that drop what they
// have had, by its id, need that.

// raiseGenerationLocked: the store has it before anything observed from here on is
// handed over, so that no process goes on under the one before.
func (c *Cursor) raiseGenerationLocked() {
	c.head.Generation++
	c.headsFirstLocked()
}

// seenLocked notes a version of the present history.
func (c *Cursor) seenLocked(at rv) {
	if at&unordered == 0 {
		c.newest = max(c.newest, at)
	}
}

// isUndoneLocked reports whether a snapshot shows an older state than was seen of the
// same name before: the history between was undone.
func (c *Cursor) isUndoneLocked(key []byte, p *pending, acked *object, seen rv) bool {
	newest := c.deleted[name(key)]
	if p != nil && p.rv&unordered == 0 {
		newest = max(newest, p.rv)
	}
	if acked != nil && acked.rv&unordered == 0 {
		newest = max(newest, acked.rv)
	}
	return !newest.notAfter(seen) && seen&unordered == 0
}

// undoneLocked says that a snapshot shows another history, which has come to a
// version. Each object may; once is enough.
func (c *Cursor) undoneLocked(at rv) {
	if c.newest = at; c.undoneIn == c.epoch {
		return
	}
	c.undoneIn, c.undoneSince = c.epoch, c.numbers.last
	c.raiseGenerationLocked()
}
