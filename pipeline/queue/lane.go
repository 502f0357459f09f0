package queue

import (
	"time"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// class is which of a lane's two lines an item stands in.
type class int

const (
	live     class = iota // told by a watch, or anything of priority zero and more
	snapshot              // read from a first list: priority below zero
)

func classOf(priority int) class {
	if priority < 0 {
		return snapshot
	}
	return live
}

// entry is an identity that the queue knows something of: an item of it waits
// or is delayed, is in work, or stands blocked in Offer.
type entry[T, K comparable] struct {
	key  K
	hash uint64 // of key
	lane *lane[T, K]
	// item, with its size and priority, waits or is delayed. Which of the two,
	// and whether it can be handed out, is told by the list that place is in:
	// lane.ready, lane.waitingForDone, lane.delayed or lane.aside.
	item     T
	size     int
	priority int
	since    time.Duration // it waits, if that is measured
	place    list.Node[*entry[T, K]]
	when     timerNode[*entry[T, K]] // if delayed: until when
	// evictable is set if it is held, or delayed for so long, that it can be evicted, and was
	// not.
	evictable bool
	// working is the lane that handed out an item of this identity that is not
	// Done yet. It differs from lane if that was removed meanwhile.
	working   *lane[T, K]
	work      *T                      // that item, if the queue knows what is newer; made once
	workSize  int                     // what it counts for in that lane
	workClass class                   // and in which class
	begun     time.Duration           // the work, if that is measured
	blocked   list.List[*offer[T, K]] // Offers of this identity, in the order they came
	// refused is set when the item in work came back while the queue was shutting
	// down.
	refused bool
}

// present tells whether an item waits, is delayed or stands aside; the others tell
// which of these.
func (e *entry[T, K]) present() bool { return e.place.List != nil }
func (e *entry[T, K]) delayed() bool { return e.place.List == &e.lane.delayed }
func (e *entry[T, K]) aside() bool   { return e.place.List == &e.lane.aside }
func (e *entry[T, K]) waiting() bool { return e.present() && !e.delayed() && !e.aside() }

// lane is one cluster's part of the queue.
type lane[T, K comparable] struct {
	name  string
	gates [2]gate[T, K]
	gate  [2]*gate[T, K] // by class; one for both if they share their buckets
	rest  gate[T, K]     // for both, without tokens; see Rest

	ready          [2]list.List[*entry[T, K]] // by class: could be handed out now, given turn and token
	waitingForDone list.List[*entry[T, K]]    // wait for Done of an older item of the same identity
	delayed        list.List[*entry[T, K]]
	aside          list.List[*entry[T, K]] // held one by one, see hold.go; in no count but asideBytes
	asideBytes     int64
	paused         bool     // held as a whole
	depth          [2]int   // by class: ready, parked and delayed
	late           [2]int   // of them, those that are delayed
	evicts         int      // of these, those that can be evicted
	bytes          [2]int64 // by class: of these and of what is in work
	inWork         int

	workBytes int64 // of what is in work

	offers       [2]list.List[*offer[T, K]] // blocked, by class, in the order they came
	blockedSince time.Duration              // if there are any
	bothBlocked  uint64                     // admissions while both classes stood blocked
	rooms        list.List[*room]           // blocked in WaitRoom

	turn           list.Node[*lane[T, K]] // in the ring: has something ready, and may have a token
	weight         int
	credit         int    // picks left in this turn
	picks          uint64 // all there ever were
	shutGates      int
	throttledSince time.Duration // if there is a shut gate

	leaving bool          // RemoveCluster has begun
	gone    bool          // and has ended: the queue does not know this lane any more
	idle    chan struct{} // made by RemoveCluster, closed once nothing is in work

	added, coalesced, handedOut, retries, throttles uint64

	waited, worked Durations
	timed          int           // in work, of those that are measured
	begun          time.Duration // sum of when the work on them began

	dropped                  [2]uint64 // by dropReason
	blockedFor, throttledFor time.Duration
}

// dropReason says why an item was dropped.
type dropReason int

const (
	dropRemoved  dropReason = iota // its cluster was removed
	dropShutdown                   // the queue was shut down
)

func (r dropReason) String() string {
	if r == dropRemoved {
		return "cluster_removed"
	}
	return "shutdown"
}

// isEmpty reports whether nothing is left of a lane: nothing waits, for
// whatever, and nothing is in work.
func (l *lane[T, K]) isEmpty() bool {
	return l.inWork == 0 && l.depth[live]+l.depth[snapshot] == 0 && l.aside.N == 0 &&
		l.offers[live].N+l.offers[snapshot].N == 0 && l.rooms.N == 0 && l.shutGates == 0
}

// drop counts n items that came to the lane, or had come to it, and will never
// be handed out.
func (l *lane[T, K]) drop(r dropReason, n int) { l.dropped[r] += uint64(n) }

// joinLocked lets e wait in its lane. It must be in none of the lane's lists.
func (q *Queue[T, K]) joinLocked(e *entry[T, K]) {
	if e.working == nil && q.isHeldLocked(&e.item) {
		q.asideLocked(e)
		return
	}
	e.countLocked()
	if e.lane.paused {
		q.mayEvictHeldLocked(e)
	}
	q.waiting++
	e.since = q.stampLocked()
	if e.working != nil {
		e.lane.waitingForDone.PushBack(&e.place)
		return
	}
	q.readyLocked(e)
}

// readyLocked puts e at the end of its class.
func (q *Queue[T, K]) readyLocked(e *entry[T, K]) {
	l := e.lane
	l.ready[classOf(e.priority)].PushBack(&e.place)
	if l.paused {
		return
	}
	q.countReadyLocked(1)
	if l.rest.token.set() || l.gate[classOf(e.priority)].token.set() {
		return // whoever waits is woken when it is over, or a token is due
	}
	if l.turn.List == nil {
		q.enterLocked(l)
	}
	q.wakeLocked()
}

// leaveLocked takes e, that waits, out of its lane. Its bytes stay counted.
func (q *Queue[T, K]) leaveLocked(e *entry[T, K]) {
	e.lane.depth[classOf(e.priority)]--
	q.waiting--
	if e.place.List != &e.lane.waitingForDone && !e.lane.paused {
		q.countReadyLocked(-1)
	}
	e.place.Leave()
	q.keepLocked(e)
}

// raiseLocked gives e, that waits or is delayed, a priority if that is higher
// than its own. From the snapshot class it moves to the end of the live one.
func (q *Queue[T, K]) raiseLocked(e *entry[T, K], priority int) {
	if priority <= e.priority {
		return
	}
	l, was, is := e.lane, classOf(e.priority), classOf(priority)
	e.priority = priority
	if was == is || e.aside() {
		return
	}
	l.depth[was]--
	l.depth[is]++
	l.bytes[was] -= int64(e.size)
	l.bytes[is] += int64(e.size)
	switch e.place.List {
	case &l.delayed:
		l.late[was]--
		l.late[is]++
	case &l.ready[was]:
		e.place.Leave()
		l.ready[is].PushBack(&e.place)
		// Only one of the classes may have a token.
		if q.resumeLocked(l); l.turn.List != nil && !l.isOpen(live) && !l.isOpen(snapshot) {
			l.turn.Leave()
		}
	}
}
