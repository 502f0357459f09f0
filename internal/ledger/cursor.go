package ledger

import (
	"crypto/rand"
	"time"
)

// Verdict says what to do with an observed state.
type Verdict uint8

const (
	// Deliver: the state goes to the sinks.
	Deliver Verdict = iota
	// Duplicate: it is the state that sinks have accepted already.
	Duplicate
	// Stale: it is older than what sinks have accepted.
	Stale
	// Refused: the ledger does not know the object, and its cluster may have no
	// further one; or it is the deletion of one that may have been refused before.
	// Nothing has been recorded.
	Refused
	// Lost: the cursor has another owner. Nothing has been recorded.
	Lost
	// Filtered: it is not selected, and no sink may hold the object; or it is of a
	// snapshot, whose sweep finds the object if a sink may. Nothing has been recorded.
	Filtered
	// Unchanged: what counts in it is as in the state that the sink has accepted.
	Unchanged
)

// Tombstone is a deletion that no watch has reported: the object is known, but a
// snapshot no longer held it.
type Tombstone struct {
	Name       Name
	Version    Version // the UID to delete; the version of the snapshot
	Sequence   uint64
	Generation uint32
	// Paid: a token was taken for it before; see Cursor.Paid.
	Paid bool
}

// Stats are a cursor's figures at one moment.
type Stats struct {
	Known   int       // objects that sinks may hold
	Unacked int       // objects with changes that are observed and not acked
	Oldest  time.Time // when the oldest of these was observed; zero if there is none
}

type deletion struct {
	name name
	rv   rv
}

// Cursor is the ledger of one stream on its way to one sink. The methods on the
// stream's side are called by one goroutine; those on the workers' side by any
// number, but for one object never by two at once.
//
// It is a handle: that of the cursor's owner, until Claim gives out another.
type Cursor struct {
	*cursor
	as uint64 // the owner; 0: the ledger itself, which always may
}

// cursor is what all handles of one share.
type cursor struct {
	writer  *writer // nil: nothing outlives the process
	cluster *cluster
	taken   *taken // of the cluster, for the cursor's route
	// key names the cursor in the store. It says nothing: a cursor may change
	// its ID, and another one take the ID that it had.
	key string

	mu   cursorLock
	head head
	// acked has the states that the sink accepted, unackedUIDs the UIDs that it may
	// hold beside them, deleted the acked deletions that a resumed watch would show
	// again, with forgetting their order.
	acked       objects
	unackedUIDs map[name][]version
	deleted     map[name]rv
	forgetting  []deletion
	passed      rv   // no watch will start before it
	floor       rv   // where the resume point was given up last, see boundLocked; 0: it was not since the last snapshot
	remembers   int  // deletions, or as many as objects are known
	gaveUp      bool // to be said in the log
	// dirty has the objects whose record in the store is behind, unstoredIntents
	// those among them with an unacked UID that the store has never seen, with the
	// number of the intent.
	dirty           map[name]struct{}
	unstoredIntents map[name]uint64
	ghostsAtOnce    int        // GhostsAtOnce, but in tests
	awaited         awaited    // until their records are stored
	lastIntent      uint64     // the number of the last one
	prewritable     []*pending // candidates for prewriteLocked
	headDirty       bool
	headFirst       bool   // the store must have the head before it has further acks
	became          bool   // the store has it under another name, or may have
	stored          bool   // the store has a head of this cursor
	storedAt        string // the resume point in the store, or of the transaction that is to store the first one; "": none
	usage           Usage
	dropped         bool // the ledger has it no more
	listed          inLists
	kept            kept // of the term alone

	// What follows is forgotten by a restart.
	missed        time.Time         // since when Join is awaited; zero: not
	counted       time.Time         // up to when the retention is counted
	elsewhere     bool              // see FollowedElsewhere
	owner         uint64            // whose handle counts; 0: nobody has claimed it
	last          string            // version of the last frame seen; "" if a snapshot is needed
	needsSnapshot bool              // the snapshot that is needed has not begun: nothing else sets last
	snapshotting  bool              // between BeginSnapshot and the Seen after EndSnapshot
	swept         bool              // all of EndSnapshot was ranged over
	sweep         *sweep            // under way; nil: none is
	partial       bool              // see Partial
	sweptAt       rv                // version of the last snapshot whose sweep has begun
	sweptSequence uint64            // of what was observed last before that
	doubted       bool              // see doubtLocked
	doubtEnds     rv                // the resume point at which that is over; 0: not known yet
	epoch         uint16            // of the snapshot; see nextEpochLocked
	due           uint16            // stands for head.Due in this process; never 0
	newest        rv                // highest version seen of this history
	undoneIn      uint16            // epoch of the last snapshot that has shown another history
	undoneSince   uint64            // sequence of the last observation of the history before it
	reobserved    map[name]struct{} // the objects observed since lostSightLocked; nil: nothing is observed again
	closed        bool              // nothing is handed over any more
	numbers       numbers
	dueSince      uint64 // sequence of the last observation before head.Due was raised
	pending       map[name]*pending
	mostPending   int // since the map was made
	order         order
	redeliveries  map[name]*Redelivery
	ghosts        map[name][]*Redelivery // see RedeliverGhost
	lingering     map[name]uint64        // sequences that the owners before have begun

	nonUUIDs     map[uid]string // UIDs that are no UUIDs
	nonUUIDLimit int            // how many may gather before those in use are counted
	scratch      []byte
}

func newCursor(id StreamID, w *writer) *Cursor {
	c := &Cursor{cursor: &cursor{
		writer:          w,
		cluster:         &cluster{},
		taken:           new(taken),
		head:            head{ID: id},
		key:             rand.Text(),
		headDirty:       true,
		acked:           newObjects(),
		unackedUIDs:     map[name][]version{},
		deleted:         map[name]rv{},
		pending:         map[name]*pending{},
		nonUUIDs:        map[uid]string{},
		nonUUIDLimit:    64,
		remembers:       remembersAtLeast,
		ghostsAtOnce:    GhostsAtOnce,
		dirty:           map[name]struct{}{},
		unstoredIntents: map[name]uint64{},
		due:             1,
	}}
	c.mu.of = c.cursor
	c.beginNumbersLocked(0)
	c.order.init()
	return c
}

// Start returns the resourceVersion from which the stream may watch: that of
// the last frame seen while the process lives, else the resume point. It is
// not ok when only a snapshot will do.
func (c *Cursor) Start() (resourceVersion string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.last != "" && !c.snapshotting
}

// Last returns the version of the last frame seen, "" while a snapshot is needed
// or under way: how far the cursor's route has come.
func (c *Cursor) Last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshotting {
		return ""
	}
	return c.last
}

// Reached reports whether the stream has seen all that there was at a version.
// Of a version from a history that a restored backup has undone it says so once
// the new history has come that far.
func (c *Cursor) Reached(resourceVersion string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, last := parseRV(resourceVersion), parseRV(c.last)
	return c.last != "" && !c.snapshotting && (at.notAfter(last) || (at|last)&unordered != 0)
}

// Seen says that everything up to the frame with this version has been handed
// over or suppressed. A bookmark is such a frame; after EndSnapshot it ends the
// snapshot. Within a snapshot, whose states come in no order, it says nothing;
// nor does a version behind the last one, which a deletion may have: from there a
// watch would show again what is forgotten since.
func (c *Cursor) Seen(resourceVersion string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := parseRV(resourceVersion)
	if c.lostLocked() || c.snapshotting && !c.swept || !c.snapshotting && at.notAfter(parseRV(c.last)) {
		return
	}
	wasSnapshot := c.snapshotting
	if c.snapshotting = false; c.needsSnapshot {
		c.watchedLocked(at)
		return
	}
	c.last = resourceVersion
	if wasSnapshot {
		c.reobservedAllLocked()
	}
	c.seenLocked(at)
	c.advanceLocked()
}

// BeginSnapshot says that what is observed from here on, up to EndSnapshot, is
// all that exists.
func (c *Cursor) BeginSnapshot() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lostLocked() {
		return
	}
	if c.partial {
		// If it were interrupted, nothing would show what was refused.
		c.partial = false
		c.invalidateResumePointLocked()
	}
	c.startOverLocked()
	c.snapshotting, c.swept, c.sweep, c.needsSnapshot = true, false, nil, false
	c.nextEpochLocked()
	if c.head.Told {
		// It may show the very states that were reported as deleted. Versions before
		// this one have not recorded that all is due then.
		c.head.Told = false
		c.undoneLocked(c.newest)
		c.allDueLocked()
	}
}

// rewindLocked forgets what a restart forgets: changes that are not acked are pending no
// more, and Start returns the resume point.
func (c *Cursor) rewindLocked() {
	c.advanceLocked()
	c.keepPrewrittenLocked()
	if c.anyBegunLocked() {
		c.headsFirstLocked()
		c.lostSightLocked()
	}
	was := c.pending
	c.pending, c.mostPending = map[name]*pending{}, 0
	for n := range was {
		c.leftLocked([]byte(n))
	}
	c.order.init()
	c.abandonLocked()
	c.startOverLocked()
	c.last, c.snapshotting, c.partial, c.sweep = c.head.Resume, false, false, nil
	c.needsSnapshot = false // no watch goes on
}

// ResumePoint returns the resourceVersion from which a watch can start after a
// restart with nothing lost, or "" when there is none.
func (c *Cursor) ResumePoint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advanceLocked()
	return c.head.Resume
}

// Stats returns the cursor's figures.
func (c *Cursor) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Known: c.knownLocked(), Unacked: len(c.pending)}
	if head := c.order.head(); head != nil {
		s.Oldest = head.since
	}
	return s
}

func (c *Cursor) knownLocked() int {
	known := c.acked.len()
	for n := range c.unackedUIDs {
		if c.acked.get([]byte(n)) == nil {
			known++
		}
	}
	return known
}
