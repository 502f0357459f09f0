package ledger

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// A stream that is claimed takes over what was delivered by streams that nobody
// follows any more: of a resource that was followed everywhere and is now in one
// namespace, or the other way round. Its next snapshot tells what is left of it, and
// deletes the rest.
//
// So it does in each cluster that has had the name. An object of a cluster that was
// replaced has the name of one that the stream may deliver now. Its deletion comes
// before that, whatever namespaces were followed then.

// absorb gives to a stream, cluster by cluster, what belongs to it of the cursors of the
// same resource and route in namespaces that nobody follows: what lies in its own
// namespace, and what lies in one that nobody follows. Of those that are followed it gets
// what lies in its own namespace: they have taken that over when nobody followed it, and have not
// told it all to be gone. Cursors with nothing left are dropped. One of which everything belongs to
// a stream that has no cursor becomes that, however many objects it has. The caller claims a
// stream of the cluster.
func (l *Ledger) absorb(q Claiming) {
	if q.Followed == nil {
		return // the caller does not know
	}
	everything := q.ID.Namespace == "" || !slices.ContainsFunc(q.Followed, func(followed string) bool { return followed != q.ID.Namespace })
	belongs := func(namespace string) bool {
		return everything || namespace == q.ID.Namespace ||
			!slices.Contains(q.Followed, namespace) && !slices.Contains(q.Followed, "")
	}
	all := l.of(q.ID.Cluster)
	if everything {
		// The largest first, as the others move to it.
		size := func(c *Cursor) int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.usage.Objects
		}
		slices.SortFunc(all, func(a, b *Cursor) int { return cmp.Compare(size(b), size(a)) })
	}
	for _, from := range all {
		id := from.ID()
		at := id
		if at.Namespace = q.ID.Namespace; at == id || !at.SameStream(q.ID) {
			continue
		}
		in, goesOn := belongs, slices.Contains(q.Followed, id.Namespace)
		switch {
		case goesOn && (id.Namespace == "" || q.ID.Namespace == "" || !from.mayHaveTold()):
			continue
		case goesOn:
			in = func(namespace string) bool { return namespace == q.ID.Namespace }
		case everything && l.become(from, at, q.Selection):
			continue
		}
		m := move{from: from, in: in, goesOn: goesOn, whole: &from.cluster.whole, atOnce: l.moveAtOnce, between: l.between, to: func() *Cursor {
			l.mu.Lock()
			defer l.mu.Unlock()
			if c := l.cursors[at]; c != nil {
				l.beginsAgainLocked(c)
				return c
			}
			return l.newSelectionLocked(at, q.Selection)
		}}
		if m.run() {
			l.drop(from)
		}
	}
}

// become makes a cursor that of another stream, if that has none. What comes from here on
// has a generation and numbers above those of all that was delivered under either name.
func (l *Ledger) become(c *Cursor, id StreamID, s Selection) bool {
	c.cluster.whole.Lock()
	defer c.cluster.whole.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	was := c.ID()
	if held := l.cursors[was]; l.cursors[id] != nil || held == nil || held.cursor != c.cursor {
		return false
	}
	l.removeLocked(was, c)
	l.addLocked(id, c)
	c.mu.Lock()
	h := &c.head
	h.ID, h.Generation, c.became = id, max(h.Generation, l.firstGeneration()), true
	c.beginNumbersLocked(c.numbers.last) // above what a cursor of that name has had that was dropped
	digest := h.Digest
	c.mu.Unlock()
	c.claimed(Claiming{Digest: digest, Selection: s, moved: true})
	l.outliveLocked(c) // should what it was be followed beside it
	return true
}

// newSelectionLocked adds a cursor of a stream that has never been claimed.
func (l *Ledger) newSelectionLocked(id StreamID, s Selection) *Cursor {
	c := l.newCursorLocked(id)
	c.head.Selection = s
	l.beyondOthersLocked(c)
	return c
}

// beginsAgainLocked is called of a cursor that a stream is to have, or objects of others. If others
// have got some of its own meanwhile, it goes on beyond those.
func (l *Ledger) beginsAgainLocked(c *Cursor) {
	if c.isRest() {
		l.beyondOthersLocked(c)
	}
}

// beyondOthersLocked has a cursor go on with numbers and in a generation above those of all
// others of the same resource and route: they may have told that its objects are gone, as they
// were theirs. The clock, from which numbers come, may have been set back since. What they have
// told is stored before a sink gets any of it from this one: else they would tell it once more
// after a kill.
func (l *Ledger) beyondOthersLocked(c *Cursor) {
	id, number, generation := c.ID(), uint64(0), uint32(0)
	for at, same := range c.cluster.streams {
		if at.Resource != id.Resource || at.Route != id.Route {
			continue
		}
		for _, other := range same {
			if l.looked++; other.cursor != c.cursor {
				last, in := other.reached()
				number, generation = max(number, last), max(generation, in)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if number > c.numbers.last {
		c.beginNumbersLocked(number)
	}
	if generation > 0 && generation >= c.head.Generation { // else none has taken over anything
		c.head.Generation = generation
		c.raiseGenerationLocked()
	}
}

// reached returns the number of the last observation, or after a load one above what it may
// have been, and the generation. The next transaction has all acks.
func (c *Cursor) reached() (number uint64, generation uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.dirty) > 0 {
		c.headDirty, c.headFirst = true, true
	}
	return c.numbers.last, c.head.Generation
}

// rest begins the rule of a cursor whose objects others have in part: it selects only what is left. Should
// its stream be followed again beside theirs, it begins with a snapshot, as with any other
// selection. Else it would go on without what they have told to be gone.
const rest = "the rest of: "

// isRest reports whether others have some of the cursor's objects.
func (c *Cursor) isRest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.HasPrefix(c.head.Selection.Where, rest)
}

// moved is what moves of one object.
type moved struct {
	name    name
	acked   *object // nil: nothing is
	due     bool
	unacked []version
}

// move moves the objects in some namespaces to another cursor. The one that they move to
// gives up its resume point, and goes on in a generation and with numbers above those of
// both: also when there is nothing to move and nothing left, because what sinks were told to
// be gone may be told to be there again.
//
// Objects move in steps. The locks are held for so many objects as in a sweep, and within a
// step nothing is stored of the two cursors: so after each the store has an object in one of
// them, and who is killed between two steps goes on with the rest.
type move struct {
	from  *Cursor
	to    func() *Cursor // is called without a cursor's lock
	in    func(namespace string) bool
	whole *sync.Mutex // of their cluster
	// goesOn: a stream follows the cursor that objects leave. It misses none of them.
	goesOn bool

	at       *cursor // to which something has moved; nil: none
	out      []moved // of this step
	nonUUIDs map[uid]string

	looked, most int    // objects since the locks were taken, and the most that there were
	atOnce       int    // objects in a step
	between      func() // two steps; nil but in tests
}

// run reports whether nothing is left, of what was not dropped meanwhile.
func (m *move) run() (empty bool) {
	c := m.from
	m.whole.Lock()
	defer m.whole.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return false
	}
	if c.owner > 0 && !m.goesOn {
		c.handleLocked() // what was handed over of it is not to be begun any more
	}
	// In this order, as an ack between two steps makes an acked one of an unacked one.
	for n := range c.unackedUIDs {
		if !m.look(n) {
			return false
		}
	}
	for i := c.acked.len(); i > 0; i = min(i-1, c.acked.len()) {
		if !m.look(c.acked.at(uint32(i - 1)).name) {
			return false
		}
	}
	empty = c.acked.len() == 0 && len(c.unackedUIDs) == 0
	if len(m.out) > 0 || empty && m.at == nil && !m.goesOn {
		m.handOver()
	}
	if m.goesOn {
		c.advanceLocked() // nothing that has moved holds it up
		return false
	}
	return empty
}

// look moves an object if it is to move, and ends the step from time to time. It returns
// false when the move is over: the cursor was dropped.
func (m *move) look(n name) bool {
	if whole, _ := n.split(); m.in(whole.Namespace) {
		m.takeOutLocked(n)
	}
	m.looked++
	if m.most = max(m.most, m.looked); m.looked < m.atOnce {
		return true
	}
	m.looked = 0
	if len(m.out) > 0 {
		m.handOver()
	}
	m.from.mu.Unlock()
	m.whole.Unlock()
	if m.between != nil {
		m.between()
	}
	m.whole.Lock()
	m.from.mu.Lock()
	return !m.from.dropped
}

// takeOutLocked removes an object. UIDs that are no UUIDs are copied.
func (m *move) takeOutLocked(n name) {
	c := m.from
	keep := func(u uid) {
		if s, ok := c.nonUUIDs[u]; ok {
			if m.nonUUIDs == nil {
				m.nonUUIDs = map[uid]string{}
			}
			m.nonUUIDs[u] = s
		}
	}
	one := moved{name: n, unacked: c.unackedUIDs[n]}
	if o := c.acked.get([]byte(n)); o != nil {
		copied := *o
		one.acked, one.due = &copied, o.due != c.due || c.mayHaveToldLocked()
		keep(o.uid)
		c.acked.remove([]byte(n))
	}
	for _, h := range one.unacked {
		keep(h.uid)
	}
	if p := c.pending[n]; p != nil && m.goesOn {
		for _, s := range []*span{&p.waiting, &p.begun} {
			if s.listed() {
				c.order.remove(s)
			}
		}
		c.settledLocked(p) // it is not to be told to be gone
	}
	c.setUnackedLocked(n, nil)
	delete(c.lingering, n) // an ack of that would have the object here again
	c.touchLocked(n)
	c.leftLocked([]byte(n))
	m.out = append(m.out, one)
}

// handOver ends a step. It gives back the lock of the cursor that objects leave meanwhile.
func (m *move) handOver() {
	c := m.from
	all, nonUUIDs, head := m.out, m.nonUUIDs, c.head
	head.Limit = max(head.Limit, c.numbers.last)
	if m.out, m.nonUUIDs = nil, nil; len(all) > 0 {
		// The rest must not be stored without what has moved.
		c.headDirty, c.headFirst = true, true
		if !m.goesOn && !strings.HasPrefix(c.head.Selection.Where, rest) {
			c.head.Selection.Where = rest + c.head.Selection.Where
		}
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	to := m.to()
	to.mu.Lock()
	defer to.mu.Unlock()
	to.beginNumbersLocked(head.Limit)
	to.head.Selection.Where = strings.TrimPrefix(to.head.Selection.Where, rest) // it begins anew
	if m.at != to.cursor || to.head.Generation <= head.Generation {
		m.at = to.cursor
		to.head.Generation = max(to.head.Generation, head.Generation)
		to.raiseGenerationLocked()
		to.anewLocked()
		to.head.inherit(head)
	}
	if !to.needsSnapshot {
		to.anewLocked() // one that has begun between two steps does not tell what comes now
	}
	for u, s := range nonUUIDs {
		to.keepNonUUIDLocked(u, s)
	}
	for _, one := range all {
		to.takeInLocked(one)
	}
	if to.head.Due == 0 && slices.ContainsFunc(all, func(one moved) bool { return one.due }) {
		to.raiseDueLocked() // the store can only tell what is due from what was before
	}
	// With the head the store has what has moved, before a sink is told that it is gone.
	to.headsFirstLocked()
}

// inherit takes over what another head says of the objects and of their cluster, as far
// as this one does not.
func (h *head) inherit(from head) {
	h.Form = cmp.Or(h.Form, from.Form) // what was acked was acked in that
	h.Meaning = cmp.Or(h.Meaning, from.Meaning)
	h.Digest, h.Default, h.Service = cmp.Or(h.Digest, from.Digest), cmp.Or(h.Default, from.Default), cmp.Or(h.Service, from.Service)
	if len(h.Was) == 0 {
		h.Was = slices.Clone(from.Was)
	}
}

// takeInLocked adds what another cursor knew of an object. Where both know of it, the
// sink may have either state.
func (c *Cursor) takeInLocked(m moved) {
	key := []byte(m.name)
	c.enterLocked(key)
	unacked := slices.Clone(m.unacked)
	o := c.acked.get(key)
	switch {
	case m.acked == nil:
	case o == nil:
		added := object{version: m.acked.version, name: m.name}
		if !m.due {
			added.due = c.due
		}
		c.acked.put(added)
	case o.version != m.acked.version:
		unacked = append(unacked, m.acked.version)
	case m.due:
		o.due = 0
	}
	if m.acked != nil {
		c.seenLocked(m.acked.rv)
	}
	if len(unacked) > 0 {
		c.setUnackedLocked(m.name, append(slices.Clone(c.unackedUIDs[m.name]), unacked...))
	}
	c.touchLocked(m.name)
}
