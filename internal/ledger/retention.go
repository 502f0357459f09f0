package ledger

import "time"

// The retention is counted for what is missing: a cluster that has left the fleet, somebody
// who follows a stream, the sink of a route. It is counted while processes run, by their
// monotonic clocks: a machine that boots with a wrong clock, and sets it, makes it no
// shorter. Nor does a time in which nothing runs, when nothing can come back. What a
// process that is killed has counted since it last looked is lost.

// absence is since when something is missing, zero if it is not, and for how long
// processes have run since then: as a head has both.
type absence struct {
	since *time.Time
	ran   *time.Duration
}

func (h *head) left() absence      { return absence{&h.Left, &h.LeftFor} }
func (h *head) unwatched() absence { return absence{&h.Unwatched, &h.UnwatchedFor} }
func (h *head) routeGone() absence { return absence{&h.RouteGone, &h.RouteGoneFor} }

// setMissingLocked notes whether something is missing.
func (c *Cursor) setMissingLocked(a absence, missing bool, now time.Time) {
	if missing != a.since.IsZero() {
		return
	}
	c.countLocked(now)
	*a.since, *a.ran, c.headDirty = time.Time{}, 0, true
	if missing {
		*a.since = now
	}
}

// countLocked adds the time since it was last called to all that is missing.
func (c *Cursor) countLocked(now time.Time) {
	for _, a := range []absence{c.head.left(), c.head.unwatched(), c.head.routeGone()} {
		if d := c.uncountedLocked(a, now); d > 0 {
			*a.ran, c.headDirty = *a.ran+d, true
		}
	}
	if now.After(c.counted) {
		c.counted = now
	}
}

// uncountedLocked returns what is to be added. The retention of what is followed in another
// API group has not begun.
func (c *Cursor) uncountedLocked(a absence, now time.Time) time.Duration {
	if a.since.IsZero() || c.elsewhere && a.since == &c.head.Unwatched {
		return 0
	}
	return max(now.Sub(c.counted), 0)
}

// missingFor returns for how long something has been missing, less than 0 if it is not.
func (c *Cursor) missingFor(what func(*head) absence, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := what(&c.head)
	if a.since.IsZero() {
		return -1
	}
	return *a.ran + c.uncountedLocked(a, now)
}
