package ledger

import "time"

// numbersAhead is for how many numbers the store is asked at once: half as many
// observations.
const numbersAhead = 1 << 16

// numbers are the sequences of a cursor. They begin at the wall clock, in
// microseconds, so that those of a cursor that was lost stay below: no stream
// observes half a million states a second for long. Nothing is handed over under
// one that is above what the store has: a process that is killed goes on there.
type numbers struct {
	last uint64 // even
	// limit is what the store is to have, stored what it has. What was observed
	// after since may not be handed over before it has at least.
	limit, stored uint64
	since, least  uint64
}

// beginNumbersLocked gives numbers to a cursor from here on, all above another. The limit never
// falls: the store would seem to have one already that is raised from there (headsFirstLocked).
func (c *Cursor) beginNumbersLocked(above uint64) {
	c.numbers.last = max(c.numbers.last, (above+1)&^1, uint64(time.Now().UnixMicro())&^1)
	c.numbers.limit = max(c.numbers.limit, c.numbers.last+numbersAhead)
	c.head.Limit, c.headDirty = c.numbers.limit, true
	c.head.Clean = false
}

// numberAbove has what is observed from here on numbered above another cursor's.
func (c *Cursor) numberAbove(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beginNumbersLocked(number)
	c.headFirst = true // before the drop of the other one
}

// number returns that of the last observation, or what it might have been.
func (c *Cursor) number() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.numbers.last, c.numbers.limit)
}

// loadNumbersLocked goes on above what a process before may have handed over, and not
// below the clock: the store may be a backup, and sinks may hold what came since.
func (c *Cursor) loadNumbersLocked() {
	if c.head.Limit == 0 {
		c.beginNumbersLocked(0) // of a version without numbers
		return
	}
	last := max((c.head.Limit+1)&^1, uint64(time.Now().UnixMicro())&^1)
	c.numbers = numbers{last: last, limit: c.head.Limit, stored: c.head.Limit}
}

// numberLocked returns the number of an observation.
func (c *Cursor) numberLocked() uint64 {
	x := &c.numbers
	if x.last += 2; c.writer != nil && x.last+numbersAhead/2 > x.limit {
		c.extendLocked()
	}
	return x.last
}

// extendLocked has the store hold a higher limit, soon.
func (c *Cursor) extendLocked() {
	x := &c.numbers
	x.limit = max(x.limit+2, x.last+numbersAhead)
	c.head.Limit, c.headDirty, c.headFirst = x.limit, true, true
	c.head.Clean = false
}

// headsFirstLocked says that what is observed from here on is not to be handed over
// before the store has the head as it is now. What waits already for an earlier one goes on
// waiting.
func (c *Cursor) headsFirstLocked() {
	c.extendLocked()
	x := &c.numbers
	if x.stored >= x.least {
		x.since = x.last
	}
	x.least = x.limit
}

// mayHandOverLocked reports whether the store has a limit that allows a number to be
// seen outside; else it has the head stored, unless an intent does so anyway.
func (c *Cursor) mayHandOverLocked(sequence uint64, hasIntent bool) bool {
	x := &c.numbers
	if c.writer == nil || x.stored >= sequence && (sequence <= x.since || x.stored >= x.least) {
		return true
	}
	if c.stored || !hasIntent {
		c.headDirty, c.headFirst = true, true
	}
	return false
}
