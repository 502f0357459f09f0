package ledger

import (
	"context"
	"slices"
	"time"
)

// expireInterval is how often cursors are looked at that have expired, and how
// long a process waits for a cluster to join before it stores that it has left.
// None expires sooner after the start: a machine may boot with a wrong clock, and
// has set it by then.
const expireInterval = time.Hour

// Join says that a cluster is in the fleet: its cursors do not expire.
func (l *Ledger) Join(cluster string) {
	l.setJoined(cluster, true)
	now := time.Now()
	for _, c := range l.of(cluster) {
		c.setLeft(false, now)
	}
}

// Leave says that a cluster left the fleet, and that none of its changes is in a queue any
// more, nor in work but for the routes in held: what a worker there has begun it may still
// hand over and ack, whoever claims the cursors by then. Leaving is not deleting: the
// cluster's cursors are kept for the retention time, as after a restart.
func (l *Ledger) Leave(cluster string, held ...string) {
	now := time.Now()
	for _, c := range l.of(cluster) {
		c.leave(slices.Contains(held, c.ID().Route), now)
	}
	l.setJoined(cluster, false)
	l.forgetDue(cluster)
}

// leave forgets what a restart forgets; if a worker may hold changes, not what it has begun.
func (c *Cursor) leave(held bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held {
		c.handleLocked()
	} else {
		c.rewindLocked()
	}
	c.setLeftLocked(true, now)
}

func (c *Cursor) setLeft(left bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setLeftLocked(left, now)
}

func (c *Cursor) setLeftLocked(left bool, now time.Time) {
	c.missed = time.Time{}
	c.setMissingLocked(c.head.left(), left, now)
}

// expire drops the cursors of clusters that left too long ago.
func (l *Ledger) expire(now time.Time) {
	for _, c := range l.all() {
		if c.missingFor((*head).left, now) >= l.retention {
			id := c.ID()
			l.drop(c)
			l.log.Info("A stream of a cluster that left the fleet is forgotten; what it has delivered stays with the sinks",
				"cluster", id.Cluster, "clusterUID", id.ClusterUID, "resource", id.Resource)
		}
	}
}

func (l *Ledger) lookAtTimes(ctx context.Context) {
	tick := time.NewTicker(expireInterval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			l.look(now)
		case <-ctx.Done():
			return
		}
	}
}

// look is called long after Open: a cluster that has not joined by then has
// left while no process ran. That is stored, so that its cursors expire even if
// no process lives as long as they are kept.
func (l *Ledger) look(now time.Time) {
	for _, c := range l.all() {
		c.mu.Lock()
		c.countLocked(now)
		if missed := c.missed; !missed.IsZero() {
			c.missed = time.Time{}
			c.setMissingLocked(c.head.left(), true, missed)
			c.head.LeftFor = max(now.Sub(missed), 0)
		}
		c.mu.Unlock()
	}
	l.expire(now)
	l.forgetDueOfOthers()
	l.lookAtRoutes(now)
	l.dropUnwatched(now)
}
