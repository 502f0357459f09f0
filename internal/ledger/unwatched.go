package ledger

import (
	"slices"
	"time"
)

// What nobody follows any more is kept for the retention, in case it is followed again.
// Then sinks are told that all of it is gone. The cursor, empty by then, is kept for as
// long once more: should it be followed again, it goes on with numbers and in a
// generation above those in which the deletions were told.

// Following says whether somebody follows what a cursor is of.
type Following uint8

const (
	// Unfollowed: nobody does.
	Unfollowed Following = iota
	// FollowedElsewhere: nobody does, but its objects are followed in another API group.
	// They are there, and sinks may know them by their UIDs alone: the retention begins
	// when that ends.
	FollowedElsewhere
	// Followed: somebody does.
	Followed
)

// Watched says what a member's specs have come to: whether somebody follows what a cursor
// is of. The others are of what nobody follows any more, unless a spec that is not
// resolved yet may come to theirs: nil, none may. Those of a route that there is not say
// nothing of that.
func (l *Ledger) Watched(cluster string, follows func(StreamID) Following, may func(StreamID) bool) {
	now := time.Now()
	for _, c := range l.of(cluster) {
		id := c.ID()
		if f := follows(id); l.hasRoute(id.Route) && (f != Unfollowed || may == nil || !may(id)) {
			c.setWatched(f, now)
		}
	}
}

func (c *Cursor) setWatched(f Following, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.countLocked(now)
	a := c.head.unwatched()
	c.setMissingLocked(a, f != Followed, now)
	if c.elsewhere = f == FollowedElsewhere; c.elsewhere && *a.ran > 0 {
		*a.ran, c.headDirty = 0, true
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
		if c.missingFor((*head).unwatched, now) < l.retention || c.isEmpty() || !l.hasRoute(c.ID().Route) {
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
	routes := *l.routes.Load()
	return len(routes) == 0 || slices.Contains(routes, route)
}

// isEmpty reports whether no sink may hold anything of the cursor.
func (c *Cursor) isEmpty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.isEmptyLocked()
}

// dropUnwatched drops the cursors that nobody has followed for twice the retention and
// that sinks hold nothing of.
func (l *Ledger) dropUnwatched(now time.Time) {
	should := func(c *Cursor) bool { return c.missingFor((*head).unwatched, now) >= 2*l.retention && c.isEmpty() }
	for _, c := range l.all() {
		if should(c) {
			l.dropIf(c, func() bool { return should(c) })
		}
	}
}

// lookAtRoutes notes whether there is a sink for a cursor, and drops those for which
// there has been none for the retention.
func (l *Ledger) lookAtRoutes(now time.Time) {
	for _, c := range l.all() {
		id := c.ID()
		c.mu.Lock()
		c.setMissingLocked(c.head.routeGone(), !l.hasRoute(id.Route), now)
		c.mu.Unlock()
		if c.missingFor((*head).routeGone, now) >= l.retention {
			l.drop(c)
			l.log.Info("What a sink has is forgotten, as there has been no such sink for long; it stays there",
				"cluster", id.Cluster, "resource", id.Resource, "sink", id.Route)
		}
	}
}

// UnwatchedObjects is how many objects sinks may hold of what nobody follows, by that
// name: also of what is FollowedElsewhere.
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
