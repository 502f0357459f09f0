package ledger

import (
	"slices"
	"time"
)

// Watched says which streams a member's specs have come to, once all of them are
// resolved: their clusters' UIDs say nothing. Other cursors of the cluster are of what
// nobody follows any more. They are kept for the retention, in case it is followed
// again, and then Unwatched returns them.
func (l *Ledger) Watched(cluster string, ids ...StreamID) {
	watched := map[StreamID]bool{}
	for _, id := range ids {
		watched[id.atAnyUID()] = true
	}
	now := time.Now()
	for _, c := range l.of(cluster) {
		c.setWatched(watched[c.ID().atAnyUID()], now)
	}
}

func (c *Cursor) setWatched(watched bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case watched && !c.head.Unwatched.IsZero():
		c.head.Unwatched, c.headDirty = time.Time{}, true
	case !watched && c.head.Unwatched.IsZero():
		c.head.Unwatched, c.headDirty = now, true
	}
}

// Unwatched returns handles of the cursors of a cluster that nobody has followed for
// the retention, sorted by ID: the caller delivers their deletions and then calls
// Drop. The handles are good until somebody claims the cursors after all. Those of routes that there are not any more are not among them: nothing can
// be delivered there.
func (l *Ledger) Unwatched(cluster string, now time.Time) []*Cursor {
	var all []*Cursor
	for _, c := range l.of(cluster) {
		if since := c.unwatched(); since.IsZero() || now.Sub(since) < l.retention || !l.hasRoute(c.ID().Route) {
			continue
		}
		all = append(all, c.current())
	}
	slices.SortFunc(all, func(a, b *Cursor) int { return compareIDs(a.ID(), b.ID()) })
	return all
}

func (l *Ledger) hasRoute(route string) bool {
	return len(l.routes) == 0 || slices.Contains(l.routes, route)
}

func (c *Cursor) unwatched() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head.Unwatched
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
		if !c.head.Unwatched.IsZero() {
			known[key{c.head.ID.Cluster, c.head.ID.Resource}] += c.knownLocked()
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
