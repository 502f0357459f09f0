package ledger

import (
	"slices"
	"time"
)

// The generation of a cursor distinguishes two deliveries of the same UID and version
// with something else in between: because a backup was restored, because another
// selection has deleted the object, or because an older state is observed again after
// the sink has had a later one. Sinks that drop every id that they have had need that.

// raiseGenerationLocked: the store has it before anything observed from here on is
// handed over, so that no process goes on under the one before.
func (c *Cursor) raiseGenerationLocked() {
	c.head.Generation++
	c.reobserved = nil
	c.headsFirstLocked()
}

// reobservedAtMost bounds the objects whose first observation is distinguished from later
// ones. Beyond it repeats have another id than before.
const reobservedAtMost = 1 << 16

// lostSightLocked is called when changes may have been handed over of which the cursor
// does not know: they are observed again, and older states of their objects before them.
//
// The first observation of each object keeps the generation before. Either the sink
// has not had it under that id, or it has, and nothing older was delivered since: it
// is right to drop it. Later ones have a generation in which nothing was delivered yet,
// so none is dropped, whichever state the first one has led to. So has the first one if
// the sink may have something else of the object beside it: another UID, whose deletion
// comes before it, and was perhaps refused the last time, or what a worker of an owner
// before holds. A backup that was restored meanwhile may show what came before that.
//
// A program before this rule may have delivered an older state, after a kill, in the
// generation in which it had delivered the newer one. So after a kill of such a program
// the first observation may be one that the sink has had, with something older since: it
// takes a generation of its own, and may come twice.
func (c *Cursor) lostSightLocked() {
	c.head.Generation++
	c.reobserved = map[name]struct{}{}
	c.doubtLocked()
}

// observedLocked reports whether an object was observed since lostSightLocked was called, if
// it was.
func (c *Cursor) observedLocked(n name) bool {
	_, observed := c.reobserved[n]
	return observed || c.reobserved == nil
}

// generationLocked returns that of an observation of a UID.
func (c *Cursor) generationLocked(n name, u uid) uint32 {
	if c.observedLocked(n) {
		return c.head.Generation
	}
	if len(c.reobserved) == reobservedAtMost {
		c.reobserved = nil
		return c.head.Generation
	}
	c.reobserved[n] = struct{}{}
	_, lingers := c.lingering[n]
	acked := c.acked.get([]byte(n))
	another := func(unacked version) bool { return unacked.uid != u }
	if lingers || acked != nil && acked.uid != u || slices.ContainsFunc(c.unackedUIDs[n], another) {
		return c.head.Generation
	}
	return c.head.Generation - 1
}

// CaughtUp says that the stream has observed all that there was when it began: what
// comes from here on is new.
func (c *Cursor) CaughtUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lostLocked() && !c.snapshotting {
		c.reobserved = nil
		c.reobservedAllLocked()
	}
}

// anyBegunLocked reports whether a worker has begun something without an ack.
func (c *Cursor) anyBegunLocked() bool {
	for _, p := range c.pending {
		if p.begun.listed() {
			return true
		}
	}
	return len(c.lingering) > 0
}

// close says that nothing is handed over any more. A restart need not suspect that
// something was whose ack is not stored, if that is so.
func (c *Cursor) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.countLocked(time.Now())
	if clean := !c.anyBegunLocked() && !(c.doubted && c.acked.digests.n > 0); clean != c.head.Clean {
		c.head.Clean, c.headDirty = clean, true
	}
}

// seenLocked records a version of the present history.
func (c *Cursor) seenLocked(at rv) {
	if at&unordered == 0 {
		c.newest = max(c.newest, at)
	}
}

// isUndoneLocked reports whether a snapshot shows an older state than was seen of the
// same name before: the history between was undone. What is pending was seen last, and was
// compared when it was: a snapshot that shows it again, as the sink does not accept it,
// undoes nothing more. A UID that is noted and not acked was seen, too, although an owner
// before may have taken it from the queue in vain; for the first observation since
// lostSightLocked was called, generationLocked looks at these.
func (c *Cursor) isUndoneLocked(key []byte, p *pending, acked *object, seen rv) bool {
	if p != nil {
		return p.rv.after(seen)
	}
	return c.deleted[name(key)].after(seen) || acked != nil && acked.rv.after(seen) ||
		c.observedLocked(name(key)) && slices.ContainsFunc(c.unackedUIDs[name(key)], func(noted version) bool { return noted.rv.after(seen) })
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
