package ledger

import (
	"sync"
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
)

// Tombstone is a deletion that nobody told of: the object is known, but a
// snapshot no longer held it.
type Tombstone struct {
	Name    Name
	Version Version // the UID to delete; the version of the snapshot that told
	Ticket  uint64
}

// Stats are a cursor's figures at one moment.
type Stats struct {
	Known   int       // objects that sinks may hold
	Unacked int       // objects with changes that are observed and not acked
	Oldest  time.Time // when the oldest of these was observed; zero if there is none
}

// name is a Name with its namespace interned.
type name struct {
	namespace uint32
	name      string
}

// object is an acked state.
type object struct {
	version
	epoch uint32 // of the snapshot that listed it last
}

type deletion struct {
	name name
	rv   rv
}

// Cursor is the ledger of one stream. The methods on the stream's side are
// called by one goroutine; those on the workers' side by any number, but for
// one object never by two at once.
type Cursor struct {
	writer *writer // nil: nothing outlives the process

	mu   sync.Mutex
	head head
	// acked has the state that every sink accepted, held the UIDs that a sink
	// may hold beyond it, deleted the acked deletions that a resumed watch
	// would show again, with forgetting their order.
	acked      map[name]object
	held       map[name][]uid
	deleted    map[name]rv
	forgetting []deletion
	// dirty has the objects whose record in the store is behind, unnoted those
	// among them with a held UID that the store has never seen.
	dirty     map[name]struct{}
	unnoted   map[name]struct{}
	headDirty bool
	stored    bool // the store has a head of this cursor

	// What follows is forgotten by a restart.
	last         string // version of the last frame seen; "" if a snapshot is needed
	snapshotting bool   // between BeginSnapshot and the Seen after EndSnapshot
	swept        bool   // EndSnapshot was called
	epoch        uint32
	ticket       uint64
	pending      map[name]*pending
	order        order

	namespaces   map[string]uint32
	namespaceIDs []string
	odd          map[uid]string // UIDs that are no UUIDs
}

func newCursor(id StreamID, w *writer) *Cursor {
	return &Cursor{
		writer:     w,
		head:       head{ID: id},
		headDirty:  true,
		acked:      map[name]object{},
		held:       map[name][]uid{},
		deleted:    map[name]rv{},
		pending:    map[name]*pending{},
		namespaces: map[string]uint32{},
		odd:        map[uid]string{},
		dirty:      map[name]struct{}{},
		unnoted:    map[name]struct{}{},
	}
}

// Start returns the resourceVersion from which the stream may watch: that of
// the last frame seen while the process lives, else the resume point. It is
// not ok when only a snapshot will do.
func (c *Cursor) Start() (resourceVersion string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, c.last != "" && !c.snapshotting
}

// Observe notes a state that the stream has read and says what to do with it.
// A state to deliver is pending, under the ticket, until it is acked or one
// observed later is; the stream calls Seen once it has handed it over.
func (c *Cursor) Observe(n Name, v Version, deleted, snapshot bool) (ticket uint64, verdict Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.nameLocked(n)
	seen := version{c.uidLocked(v.UID), parseRV(v.ResourceVersion)}

	p := c.pending[key]
	acked, known := c.acked[key]
	if snapshot && known {
		acked.epoch = c.epoch
		c.acked[key] = acked
	}
	if p == nil {
		if known && !deleted && acked.version == seen {
			return 0, Duplicate
		}
		if !snapshot {
			if gone, ok := c.deleted[key]; ok && seen.rv.notAfter(gone) || known && seen.rv.notAfter(acked.rv) {
				return 0, Stale
			}
		}
	}
	if p != nil && snapshot {
		p.epoch = c.epoch
	}
	return c.pendLocked(key, p, seen.uid, deleted, snapshot), Deliver
}

// pendLocked makes an observation of key the newest pending one.
func (c *Cursor) pendLocked(key name, p *pending, u uid, deleted, snapshot bool) (ticket uint64) {
	c.ticket++
	if p == nil {
		p = &pending{}
		if snapshot {
			p.epoch = c.epoch
		}
		c.pending[key] = p
	}
	p.latest, p.deleted = u, deleted
	if p.waiting == nil {
		p.waiting = c.order.PushBack(&span{before: c.last, since: time.Now()})
	}
	p.waiting.Value.(*span).last = c.ticket
	return c.ticket
}

// Seen says that everything up to the frame with this version has been handed
// over or suppressed. A bookmark is such a frame; after EndSnapshot it ends the
// snapshot. Within a snapshot, whose states come in no order, it says nothing.
func (c *Cursor) Seen(resourceVersion string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshotting && !c.swept {
		return
	}
	c.last, c.snapshotting = resourceVersion, false
	c.advanceLocked()
}

// BeginSnapshot says that what is observed from here on, up to EndSnapshot, is
// all that exists.
func (c *Cursor) BeginSnapshot() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshotting, c.swept = true, false
	c.epoch++
}

// EndSnapshot returns a tombstone for every known object that the snapshot,
// taken at resourceVersion, did not hold. The stream hands them over and then
// calls Seen; a stream that is interrupted before starts over with
// BeginSnapshot.
func (c *Cursor) EndSnapshot(resourceVersion string) []Tombstone {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.swept = true
	var missing []Tombstone
	sweep := func(key name, u uid) {
		ticket := c.pendLocked(key, c.pending[key], u, true, true)
		missing = append(missing, Tombstone{
			Name:    Name{c.namespaceIDs[key.namespace], key.name},
			Version: Version{c.formatLocked(u), resourceVersion},
			Ticket:  ticket,
		})
	}
	for key, o := range c.acked {
		if o.epoch != c.epoch && c.pending[key] == nil {
			sweep(key, o.uid)
		}
	}
	for key, p := range c.pending {
		if p.epoch == c.epoch {
			continue
		}
		// A deletion that a worker holds is on its way. One that waits may
		// never have reached the queue, when a stream was interrupted between
		// observing and offering it.
		if p.deleted && p.waiting == nil {
			continue
		}
		sweep(key, p.latest)
	}
	for key, held := range c.held {
		if _, ok := c.acked[key]; !ok && c.pending[key] == nil {
			sweep(key, held[len(held)-1])
		}
	}
	// Versions behind the snapshot's are another history's: its cluster was
	// restored from a backup, and may use the same numbers again.
	at := parseRV(resourceVersion)
	for key, gone := range c.deleted {
		if !gone.notAfter(at) {
			delete(c.deleted, key)
			c.touchLocked(key)
		}
	}
	return missing
}

// Rewind forgets what a restart forgets: changes that are not acked are
// pending no more, and Start returns the resume point. The caller makes sure
// that no worker holds a change of this stream.
func (c *Cursor) Rewind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advanceLocked()
	c.pending = map[name]*pending{}
	c.order.Init()
	c.last, c.snapshotting = c.head.Resume, false
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
	s := Stats{Known: len(c.acked), Unacked: len(c.pending)}
	for key := range c.held {
		if _, ok := c.acked[key]; !ok {
			s.Known++
		}
	}
	if head := c.order.head(); head != nil {
		s.Oldest = head.since
	}
	return s
}
