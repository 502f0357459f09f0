package ledger

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Quota bounds what one cluster may take in the ledger for each route, over all of
// its streams: that there are further sinks, or have been, leaves no cluster with room
// for fewer objects. Beyond it nothing is taken in that the ledger does not know; what it knows
// stays, and goes on. Zero is no bound.
type Quota struct {
	Objects int   // names that are remembered: of objects that are acked, unacked or pending, and of deletions
	Bytes   int64 // as Usage counts them
}

// Usage is what a cluster takes in the ledger for one route.
type Usage struct {
	Objects int
	// Bytes are those of the objects' names and of UIDs that are no UUIDs,
	// entryBytes for each object, and ghostBytes for each UID that a sink may hold
	// under its name beside two. The file of a store takes more: see bolt.
	Bytes int64
}

// entryBytes is what a record takes beside its name: flags, two versions with
// UUIDs, a deletion's version, a checksum.
const entryBytes = 64

func entrySize[K name | []byte](key K) int64 { return entryBytes + int64(len(key)) }

// SizeOf returns what an object of that name takes, as Usage counts, beside a UID
// that is no UUID.
func SizeOf(n Name) int64 { return entrySize(appendName(nil, n)) }

// cluster is what the cursors of one cluster share.
type cluster struct {
	name string

	maxObjects, maxBytes atomic.Int64 // for each route; 0: no bound

	mu      sync.Mutex
	givenUp map[GivenUp]uint64

	failing atomic.Bool     // the store does not take its part
	storing storing         // guarded by writer.mu
	behind  behind[*cursor] // guarded by writer.mu

	// claims is held by a claim of one of its streams from beginning to end. whole is held
	// while several of its cursors change, of which the store is to have all or none, and
	// while a transaction takes its part. claims comes before whole, and whole before
	// Ledger.mu: nobody waits for another cluster's.
	claims, whole sync.Mutex

	// Guarded by Ledger.mu: what keeps it there.
	cursors int
	claimed int // claims that are under way
	streams streams
	routes  map[string]*taken
	joined  bool
}

// storing is how the store takes a cluster's part.
type storing struct {
	since     time.Time     // when failing last changed
	lastError string        // empty while it does not fail
	attempts  int           // that failed since it did not
	round     uint64        // as since
	told      bool          // in the log
	tried     uint64        // the round in which its part was refused by itself last; 0: it was not since it was stored
	drops     int           // cursors that are dropped, and that the store may have still
	refused   chan struct{} // closed while tried is set; nil: nobody has asked since it was last
}

// taken is what all cursors of a cluster take that are of one route.
type taken struct{ objects, bytes atomic.Int64 }

// takenLocked returns what is taken for a route.
func (k *cluster) takenLocked(route string) *taken {
	t := k.routes[route]
	if t == nil {
		if k.routes == nil {
			k.routes = map[string]*taken{}
		}
		t = new(taken)
		k.routes[route] = t
	}
	return t
}

// mostLocked returns what is taken for the route that has most of each.
func (k *cluster) mostLocked() (u Usage) {
	for _, t := range k.routes {
		u.Objects, u.Bytes = max(u.Objects, int(t.objects.Load())), max(u.Bytes, t.bytes.Load())
	}
	return u
}

// room returns what the cluster may still take for a route, 0 or more.
func (k *cluster) room(t *taken) Usage {
	free := Usage{Objects: math.MaxInt, Bytes: math.MaxInt64}
	if most := k.maxObjects.Load(); most > 0 {
		free.Objects = int(max(most-t.objects.Load(), 0))
	}
	if most := k.maxBytes.Load(); most > 0 {
		free.Bytes = max(most-t.bytes.Load(), 0)
	}
	return free
}

// admit takes the place of one more object, if the cluster may have it. Of two cursors
// that want the last one, one gets it.
func (k *cluster) admit(t *taken, size int64) bool {
	if !within(&t.objects, 1, k.maxObjects.Load()) {
		return false
	}
	if !within(&t.bytes, size, k.maxBytes.Load()) {
		t.objects.Add(-1)
		return false
	}
	return true
}

// within adds n if the sum is not above most then; 0 is no bound.
func within(sum *atomic.Int64, n, most int64) bool {
	for {
		now := sum.Load()
		if most > 0 && now+n > most {
			return false
		}
		if sum.CompareAndSwap(now, now+n) {
			return true
		}
	}
}

// ClusterStatus is where one cluster stands with the ledger.
type ClusterStatus struct {
	Cluster string
	Usage   Usage // for the route that takes most
	Quota   Quota
	// Healthy is false while the store does not take what this cluster has: its
	// delivery pauses then. Since is when that last changed, zero if it never has.
	Healthy   bool
	Since     time.Time
	LastError string // empty while healthy
	Attempts  int    // transactions that failed since it was last healthy
	// GivenUp counts the resume points that streams have given up: a restart begins
	// with a snapshot then, until there is another one.
	GivenUp map[GivenUp]uint64
}

// SetQuota says what a cluster may take from now on, and returns whether that is
// more than before in any way. What it has taken beyond that it keeps.
func (l *Ledger) SetQuota(name string, q Quota) (raised bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.clusterLocked(name)
	more := func(was, is int64) bool { return was > 0 && (is == 0 || is > was) }
	objects, bytes := k.maxObjects.Swap(int64(q.Objects)), k.maxBytes.Swap(q.Bytes)
	return more(objects, int64(q.Objects)) || more(bytes, q.Bytes)
}

// Clusters tells of the clusters that are in the fleet, by name.
func (l *Ledger) Clusters() []ClusterStatus {
	l.mu.Lock()
	all, usage := make([]*cluster, 0, len(l.clusters)), map[*cluster]Usage{}
	for k := range maps.Values(l.clusters) {
		if k.joined {
			all = append(all, k)
			usage[k] = k.mostLocked()
		}
	}
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b *cluster) int { return strings.Compare(a.name, b.name) })
	status := make([]ClusterStatus, len(all))
	for i, k := range all {
		status[i] = ClusterStatus{
			Cluster: k.name, Healthy: true,
			Usage: usage[k],
			Quota: Quota{Objects: int(k.maxObjects.Load()), Bytes: k.maxBytes.Load()},
		}
		k.mu.Lock()
		status[i].GivenUp = maps.Clone(k.givenUp)
		k.mu.Unlock()
		if l.writer != nil {
			l.writer.describe(k, &status[i])
		}
	}
	return status
}

// clusterLocked returns what the cursors of a cluster share.
func (l *Ledger) clusterLocked(name string) *cluster {
	k := l.clusters[name]
	if k == nil {
		k = &cluster{name: name}
		l.clusters[name] = k
	}
	return k
}

// setJoined says whether a cluster is in the fleet.
func (l *Ledger) setJoined(name string, joined bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.clusterLocked(name)
	k.joined = joined
	l.freeLocked(k)
}

// freeLocked forgets a cluster that nothing is known of any more. One that comes back before
// all of it has left the store goes on where it was, so that what is new of it is stored with
// the end of what was.
func (l *Ledger) freeLocked(k *cluster) {
	if l.clusters[k.name] == k && !k.joined && k.cursors+k.claimed == 0 && (l.writer == nil || !l.writer.owes(k)) {
		delete(l.clusters, k.name)
	}
}

// newCursorLocked adds a cursor.
func (l *Ledger) newCursorLocked(id StreamID) *Cursor {
	c := newCursor(id, l.writer)
	c.cluster = l.clusterLocked(id.Cluster)
	c.taken = c.cluster.takenLocked(id.Route)
	c.head.Generation = l.firstGeneration()
	l.addLocked(id, c)
	return c
}

// Room returns what the cluster of this cursor may still take for its route, 0 or
// more.
func (c *Cursor) Room() Usage { return c.cluster.room(c.taken) }

// Partial reports whether the cursor has refused an object since the last
// snapshot began. Until another one has refused none, there is no resume point:
// a watch tells of what is refused only once.
func (c *Cursor) Partial() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.partial
}

// admitLocked takes in an object that the cursor does not know; it is not ok if
// the cluster has no room for it.
func (c *Cursor) admitLocked(key []byte, deleted bool) (ok bool) {
	switch {
	case c.partial && deleted:
		// No sink has what was refused.
	case c.dropped:
		c.takesLocked(1, entrySize(key))
		return true
	case c.cluster.admit(c.taken, entrySize(key)):
		c.usage.Objects++
		c.usage.Bytes += entrySize(key)
		return true
	case !deleted:
		c.partial = true
		c.advanceLocked()
	}
	return false
}

// knowsLocked reports whether the cursor has an entry of an object.
func (c *Cursor) knowsLocked(key []byte) bool {
	if c.pending[name(key)] != nil || c.acked.get(key) != nil || len(c.unackedUIDs[name(key)]) > 0 {
		return true
	}
	_, deleted := c.deleted[name(key)]
	return deleted
}

// enterLocked counts an object that is about to be known, if it is not yet.
func (c *Cursor) enterLocked(key []byte) {
	if !c.knowsLocked(key) {
		c.takesLocked(1, entrySize(key))
	}
}

// leftLocked counts an object of which one thing is not known any more.
func (c *Cursor) leftLocked(key []byte) {
	if !c.knowsLocked(key) {
		c.takesLocked(-1, -entrySize(key))
	}
}

// takesLocked says that the cursor takes more, or less.
func (c *Cursor) takesLocked(objects int, bytes int64) {
	c.usage.Objects += objects
	c.usage.Bytes += bytes
	if !c.dropped {
		c.taken.objects.Add(int64(objects))
		c.taken.bytes.Add(bytes)
	}
}

// drop says that the cursor is no longer the ledger's; workers may still hold
// changes of it.
func (c *Cursor) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takesLocked(-c.usage.Objects, -c.usage.Bytes)
	c.abandonLocked() // nobody is to wait for what is sent again
	c.dropped = true
}
