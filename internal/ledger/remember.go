package ledger

import "slices"

// remembersAtLeast is how many acked deletions a cursor remembers, however few
// objects it knows, before it gives up its resume point.
const remembersAtLeast = 4096

// tooManyDeletions is why a resume point is given up.
const tooManyDeletions = "deletions"

// rememberLocked notes an acked deletion that a resumed watch would show again.
func (c *Cursor) rememberLocked(n name, at rv) {
	c.deleted[n] = at
	c.forgetting = append(c.forgetting, deletion{n, at})
	if len(c.forgetting) > 64+2*len(c.deleted) {
		// While the resume point stands still, objects may be deleted and
		// created again any number of times.
		c.forgetting = slices.DeleteFunc(c.forgetting, func(d deletion) bool { return c.deleted[d.name] != d.rv })
	}
}

// latestGoneLocked returns the version to remember of an acked deletion. One that was sent
// again may be older than the one that is remembered, which was of another UID; so may be
// what lingers of an owner before, of which it is not known any more whether it was.
func (c *Cursor) latestGoneLocked(n name, sequence uint64, at rv, lingered bool) rv {
	gone, ok := c.deleted[n]
	r := c.redeliveries[n]
	if again := lingered || r != nil && r.sequence == sequence; ok && again && at.notAfter(gone) {
		return gone
	}
	return at
}

// boundLocked gives up the resume point when more deletions are remembered for its
// sake than there are objects: it has stood still for long, as one change is not
// accepted, and deletions go on, as with Jobs, whose names never come back. Until
// what is pending now is acked, another process begins with a snapshot. That loses
// nothing: a snapshot takes any version, and tells what is gone.
//
// This process watches on, from the last frame at the earliest. So whatever it
// observes from here on has that before it, or a newer one, and no resume point to
// come lies behind: what was deleted up to there is not shown again. Deletions that
// were accepted before their frame was Seen stay.
func (c *Cursor) boundLocked() {
	if len(c.deleted) <= max(c.acked.len(), c.remembers) || c.last == "" || c.partial {
		return // or forgetLocked forgets them all by itself
	}
	switch resume := c.head.Resume; {
	case c.order.head() == nil, resume != "" && c.forgetting[0].rv.notAfter(parseRV(resume)):
		return // the next transaction forgets
	case resume == "" && c.storedAt != "":
		return // it is given up, and not stored yet
	case resume != "":
		c.gaveUp = true
		c.cluster.giveUp(GivenUp{Resource: c.head.ID.Resource, Reason: tooManyDeletions})
	}
	for s := c.order.root.next; s != &c.order.root; s = s.next {
		s.before = ""
	}
	c.watchedLocked(parseRV(c.last))
	c.advanceLocked()
	c.forgetLocked()
}

// watchedLocked says that there is no resume point before the next snapshot: until that
// begins, a watch only goes on from a version.
func (c *Cursor) watchedLocked(at rv) {
	if c.floor = at; c.storedAt == "" {
		c.passed = at
	}
}

// passedLocked says that no watch will start before this version any more, after it
// is stored. Without a resume point that is where the last one was given up.
func (c *Cursor) passedLocked(resume string) {
	c.passed = c.floor
	if resume != "" {
		c.passed = parseRV(resume)
	}
}

// startOverLocked says that versions up to now are no measure of what comes: a
// snapshot may be of another history.
func (c *Cursor) startOverLocked() {
	if c.floor = 0; c.storedAt == "" {
		c.passed = 0
	}
}

// forgetLocked forgets the deletions that no watch can show any more: those
// that the stored resume point has passed. The one in memory may be ahead of
// it, and a note alone must not take them out of the store.
func (c *Cursor) forgetLocked() {
	done, passed := 0, c.passed
	switch {
	case c.storedAt != "":
	case c.partial:
		// This process watches on from the last frame, and another one would
		// begin with a snapshot.
		passed = parseRV(c.last)
	case c.last == "" && !c.needsSnapshot:
		// So does this one: perhaps never, of a resource that is gone.
		passed = unordered - 1
	}
	for _, d := range c.forgetting {
		if current, ok := c.deleted[d.name]; ok && current == d.rv {
			if !d.rv.notAfter(passed) {
				break
			}
			delete(c.deleted, d.name)
			c.touchLocked(d.name)
			c.leftLocked([]byte(d.name))
		}
		done++
	}
	if c.forgetting = c.forgetting[done:]; len(c.forgetting) == 0 {
		c.forgetting = nil
	}
	if done > mapsMayKeep && len(c.deleted) == 0 {
		c.deleted = map[name]rv{}
	}
}

// GivenUp is a kind of resume points that were given up.
type GivenUp struct{ Resource, Reason string }

// giveUp counts one.
func (k *cluster) giveUp(what GivenUp) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.givenUp == nil {
		k.givenUp = map[GivenUp]uint64{}
	}
	k.givenUp[what]++
}
