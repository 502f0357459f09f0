package queue

import (
	"time"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

// gate is where the items of a lane get their tokens: those of the live class at
// one, those of the snapshot class at another, so that a first list takes none
// from live changes. Both classes have one gate if they share their buckets. The
// whole queue has one before these, see limit.go; that of a lane that rests has no tokens.
type gate[T, K comparable] struct {
	lane   *lane[T, K] // nil: it is that of the whole queue
	bucket *ratelimit.Bucket
	token  timerNode[*gate[T, K]] // if the bucket is empty: when one is due
}

// makeGatesLocked gives a lane its gates.
func (q *Queue[T, K]) makeGatesLocked(l *lane[T, K]) {
	l.gates[live].bucket = q.o.Buckets.Bucket(l.name)
	l.gate[live], l.gate[snapshot] = &l.gates[live], &l.gates[live]
	if q.o.SnapshotBuckets != q.o.Buckets {
		l.gates[snapshot].bucket = q.o.SnapshotBuckets.Bucket(l.name)
		l.gate[snapshot] = &l.gates[snapshot]
	}
	for i := range l.gates {
		g := &l.gates[i]
		g.lane, g.token.self = l, g
	}
	l.rest.lane, l.rest.token.self = l, &l.rest
}

// isOpen tells whether something of a class is ready and neither held nor at rest, and may
// have a token.
func (l *lane[T, K]) isOpen(c class) bool {
	return l.ready[c].N > 0 && !l.gate[c].token.set() && !l.rest.token.set() && !l.paused
}

// hasTokenLocked takes a token for an item of a class, if one is ready and there
// is a token. If only that is missing, it shuts the gate until one is due.
func (q *Queue[T, K]) hasTokenLocked(l *lane[T, K], c class) bool {
	if !l.isOpen(c) {
		return false
	}
	g := l.gate[c]
	if g.bucket.Unlimited() {
		return true
	}
	now := q.now()
	wait := g.bucket.Take(q.epoch.Add(now))
	if wait == 0 {
		return true
	}
	q.shutGateLocked(g, now, wait)
	return false
}

// shutGateLocked shuts a gate for as long as no token comes.
func (q *Queue[T, K]) shutGateLocked(g *gate[T, K], now, wait time.Duration) {
	if l := g.lane; l != nil {
		l.throttles++
		if l.shutGates++; l.shutGates == 1 {
			l.throttledSince = now
		}
	} else {
		q.shutSince = now
	}
	q.throttled.put(&g.token, after(now, wait))
	q.armLocked(now)
}

// openLocked lets those at a shut gate ask for a token again.
func (q *Queue[T, K]) openLocked(g *gate[T, K], now time.Duration) {
	q.throttled.remove(&g.token)
	l := g.lane
	if l == nil {
		if q.ready > 0 {
			q.shutFor += now - q.shutSince
		}
		if q.ring.N > 0 {
			q.wakeLocked()
		}
		return
	}
	if g == &l.rest {
		q.resumeLocked(l)
		return
	}
	if l.shutGates--; l.shutGates == 0 {
		l.throttledFor += now - l.throttledSince
	}
	q.resumeLocked(l)
}

// openAllLocked opens the shut gates of a lane, and ends its rest.
func (q *Queue[T, K]) openAllLocked(l *lane[T, K]) {
	for i := range l.gates {
		if g := &l.gates[i]; g.token.set() {
			q.openLocked(g, q.now())
		}
	}
	if l.rest.token.set() {
		q.openLocked(&l.rest, q.now())
	}
}

// Rest has the lane of a cluster hand out nothing for a while: for a worker that has found
// that nothing of that cluster can be done for now. Unlike a missing token, that is not
// counted as throttled. A lane that rests already is not kept for longer. The rest ends
// early when a limit of the cluster changes, or the intake is stopped: then what waits is to
// be handed out, and there is no rest any more. Without a lane there is none either.
func (q *Queue[T, K]) Rest(cluster string, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[cluster]
	if l == nil || l.rest.token.set() || d <= 0 || q.shut {
		return
	}
	now := q.now()
	q.throttled.put(&l.rest.token, after(now, d))
	q.armLocked(now)
	if l.turn.List != nil {
		l.turn.Leave()
	}
}

// GiveBack returns the token of an item that was handed out with a priority: for a worker that has
// done nothing with it and brings it back. Call it once, before that. An item that is handed out
// again takes a token again.
func (q *Queue[T, K]) GiveBack(item T, priority int) {
	cluster := q.o.Cluster(item)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limited {
		q.giveBackLocked(&q.total)
	}
	if l := q.lanes[cluster]; l != nil {
		q.giveBackLocked(l.gate[classOf(priority)])
	}
}

// giveBackLocked returns a token to a gate, which opens if it was shut.
func (q *Queue[T, K]) giveBackLocked(g *gate[T, K]) {
	now := q.now()
	g.bucket.GiveBack(q.epoch.Add(now))
	if g.token.set() {
		q.openLocked(g, now)
	}
}

// SetLimit overrides the limit of one cluster in the queue's buckets, and lets
// the cluster ask again at once if it waits for a token under the old limit.
// Where several queues share the buckets, call it on each. It panics if limit
// is not valid.
func (q *Queue[T, K]) SetLimit(cluster string, limit ratelimit.Limit) {
	q.setLimit(q.o.Buckets, cluster, limit)
}

// SetSnapshotLimit is SetLimit for the snapshot class: it overrides the limit of
// one cluster in Options.SnapshotBuckets.
func (q *Queue[T, K]) SetSnapshotLimit(cluster string, limit ratelimit.Limit) {
	q.setLimit(q.o.SnapshotBuckets, cluster, limit)
}

func (q *Queue[T, K]) setLimit(buckets *ratelimit.Buckets, cluster string, limit ratelimit.Limit) {
	buckets.Set(cluster, limit)
	q.mu.Lock()
	defer q.mu.Unlock()
	if l := q.lanes[cluster]; l != nil {
		q.openAllLocked(l)
	}
}

// SetDefaultLimit changes the limit of the clusters that have no override, as
// SetLimit does for one.
func (q *Queue[T, K]) SetDefaultLimit(limit ratelimit.Limit) {
	q.o.Buckets.SetDefault(limit)
	q.mu.Lock()
	defer q.mu.Unlock()
	for now := q.now(); len(q.throttled.heap) > 0; {
		q.openLocked(q.throttled.next().self, now)
	}
}
