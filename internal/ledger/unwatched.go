package ledger

import (
	"slices"
	"time"
)

// What nobody follows any more is kept for the retention, in case it is followed again.
// Then sinks are told that all of it is gone. The cursor, empty by then, is kept for as
// long once more: should it be followed again, it goes on with numbers and in a
// generation above those in which the deletions were told.
//
// The retention is counted while processes run, by their monotonic clocks: a machine that
// boots with a wrong clock, and sets it, makes it no shorter. What a process that is killed
// has counted since it last looked is lost.

// Watched says what a member's specs have come to: whether somebody follows what a cursor
// is of. The others are of what nobody follows any more, unless a spec that is not
// resolved yet may come to theirs: nil, none may. Those of a route that there is not say
// nothing of that.
func (l *Ledger) Watched(cluster string, follows, may func(StreamID) bool) {
	now := time.Now()
	for _, c := range l.of(cluster) {
		id := c.ID()
		if watched := follows(id); l.hasRoute(id.Route) && (watched || may == nil || !may(id)) {
			c.setWatched(watched, now)
		}
	}
}

func (c *Cursor) setWatched(watched bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case watched && !c.head.Unwatched.IsZero():
		c.head.Unwatched, c.head.UnwatchedFor, c.headDirty = time.Time{}, 0, true
	case !watched && c.head.Unwatched.IsZero():
		c.head.Unwatched, c.head.UnwatchedFor, c.headDirty = now, 0, true
		c.counted = now
	}
}

// countLocked adds the time since it was last called.
func (c *Cursor) countLocked(now time.Time) {
	if d := now.Sub(c.counted); d > 0 && !c.head.Unwatched.IsZero() {
		c.head.UnwatchedFor += d
		c.counted, c.headDirty = now, true
	}
}

// Unwatched returns handles of the cursors of a cluster that nobody has followed for
// the retention and that a sink may hold something of, sorted by ID: the caller
// delivers their deletions, see Retire. The handles are good until somebody claims the
// cursors after all, see Owned. Those of routes that there are not any more are not
// among them: nothing can be delivered there.
func (l *Ledger) Unwatched(cluster string, now time.Time) []*Cursor {
	var all []*Cursor
	for _, c := range l.of(cluster) {
		d, empty := c.unwatched(now)
		if d < l.retention || empty || !l.hasRoute(c.ID().Route) {
			continue
		}
		all = append(all, c.current())
	}
	slices.SortFunc(all, func(a, b *Cursor) int { return compareIDs(a.ID(), b.ID()) })
	return all
}

// SameStream reports whether another cursor is of the same stream, in whatever cluster
// of that name, and of the same route.
func (id StreamID) SameStream(other StreamID) bool { return id.atAnyUID() == other.atAnyUID() }

// Retention is for how long what is not followed, or not in the fleet, is kept.
func (l *Ledger) Retention() time.Duration { return l.retention }

// Owned reports whether the handle still counts: nobody has claimed the cursor since.
func (c *Cursor) Owned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.lostLocked()
}

func (l *Ledger) hasRoute(route string) bool {
	return len(l.routes) == 0 || slices.Contains(l.routes, route)
}

// unwatched returns for how long nobody has followed the cursor, less than 0 if somebody
// does, and whether no sink may hold anything of it.
func (c *Cursor) unwatched(now time.Time) (d time.Duration, empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.head.Unwatched.IsZero() {
		return -1, c.isEmptyLocked()
	}
	return c.head.UnwatchedFor + max(now.Sub(c.counted), 0), c.isEmptyLocked()
}

// dropUnwatched drops the cursors that nobody has followed for twice the retention and
// that sinks hold nothing of.
func (l *Ledger) dropUnwatched(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock() // nobody claims one meanwhile
	for id, c := range l.cursors {
		if d, empty := c.unwatched(now); empty && d >= 2*l.retention {
			l.dropLocked(id, c)
		}
	}
}

// lookAtRoutes notes since when there is no sink for a cursor, and drops those for
// which there has been none for the retention.
func (l *Ledger) lookAtRoutes(now time.Time) {
	for _, c := range l.all() {
		gone := !l.hasRoute(c.ID().Route)
		since := c.setRouteGone(gone, now)
		if gone && now.Sub(since) >= l.retention {
			id := c.ID()
			l.drop(c)
			l.log.Info("What a sink has is forgotten, as there has been no such sink for long; it stays there",
				"cluster", id.Cluster, "resource", id.Resource, "sink", id.Route, "since", since)
		}
	}
}

func (c *Cursor) setRouteGone(gone bool, now time.Time) (since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gone == c.head.RouteGone.IsZero() {
		if c.head.RouteGone, c.headDirty = (time.Time{}), true; gone {
			c.head.RouteGone = now
		}
	}
	return c.head.RouteGone
}

// UnwatchedObjects is how many objects sinks may hold of what nobody follows.
type UnwatchedObjects struct {
	Cluster, Resource string
	Objects           int
}

// UnwatchedObjects tells of what nobody follows any more, by cluster and resource, in
// the order of these.
func (l *Ledger) UnwatchedObjects() []UnwatchedObjects {
	type key struct{ cluster, resource string }
	known := map[key]int{}
	for _, c := range l.all() {
		c.mu.Lock()
		if n := c.knownLocked(); n > 0 && !c.head.Unwatched.IsZero() {
			known[key{c.head.ID.Cluster, c.head.ID.Resource}] += n
		}
		c.mu.Unlock()
	}
	all := make([]UnwatchedObjects, 0, len(known))
	for k, n := range known {
		all = append(all, UnwatchedObjects{k.cluster, k.resource, n})
	}
	slices.SortFunc(all, func(a, b UnwatchedObjects) int {
		return compareIDs(StreamID{Cluster: a.Cluster, Resource: a.Resource}, StreamID{Cluster: b.Cluster, Resource: b.Resource})
	})
	return all
}
