package ledger

import "slices"

// A stream that is claimed takes over what was delivered by streams that nobody
// follows any more: of a resource that was followed everywhere and is now in one
// namespace, or the other way round. Its next snapshot tells what is left of it, and
// deletes the rest.

// absorbLocked moves to c what belongs to it of the cursors of the same resource,
// cluster and route in namespaces that nobody follows: what lies in its own
// namespace, and what lies in one that nobody follows. Cursors with nothing left are
// dropped.
func (l *Ledger) absorbLocked(c *Cursor, followed []string) {
	id := c.ID()
	if followed == nil {
		return // the caller does not know
	}
	for _, from := range slices.Collect(l.ofLocked(id.Cluster)) {
		other := from.ID()
		namespace := other.Namespace
		other.Namespace = id.Namespace
		if other != id || namespace == id.Namespace || slices.Contains(followed, namespace) {
			continue
		}
		if from.moveTo(c, func(namespace string) bool {
			return id.Namespace == "" || namespace == id.Namespace ||
				!slices.Contains(followed, namespace) && !slices.Contains(followed, "")
		}) {
			l.dropLocked(from.ID(), from)
		}
	}
}

// moved is what moves of one object.
type moved struct {
	name  name
	acked *object // nil: nothing is
	due   bool
	held  []version
}

// moveTo moves the objects in some namespaces to another cursor, and reports whether
// nothing is left. The one that they move to gives up its resume point, and goes on
// in a generation and with numbers above those of both: also when there is nothing to
// move, because what sinks were told to be gone may be told to be there again.
func (c *Cursor) moveTo(to *Cursor, in func(namespace string) bool) (empty bool) {
	all, at, odd, empty := c.takeOut(in)
	if len(all) == 0 && !empty {
		return false
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.beginNumbersLocked(at.Limit)
	to.head.Generation = max(to.head.Generation, at.Generation)
	to.raiseGenerationLocked()
	to.anewLocked()
	if to.head.Form == "" {
		to.head.Form = at.Form // what was acked was acked in that
	}
	for u, s := range odd {
		to.keepOddLocked(u, s)
	}
	for _, m := range all {
		to.takeInLocked(m)
	}
	if to.head.Due == 0 && slices.ContainsFunc(all, func(m moved) bool { return m.due }) {
		to.raiseDueLocked() // the store can only tell what is due from what was before
	}
	return empty
}

// takeOut removes the objects in some namespaces. UIDs that are no UUIDs are copied.
func (c *Cursor) takeOut(in func(namespace string) bool) (all []moved, at head, odd map[uid]string, empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, odd = c.head, map[uid]string{}
	at.Limit = max(at.Limit, c.numbers.last)
	keep := func(u uid) {
		if s, ok := c.odd[u]; ok {
			odd[u] = s
		}
	}
	moves := func(n name) bool {
		whole, _ := n.split()
		return in(whole.Namespace)
	}
	for o := range c.acked.all() {
		if moves(o.name) {
			copied := *o
			all = append(all, moved{name: o.name, acked: &copied, due: o.due != c.due || c.mayHaveToldLocked(), held: c.held[o.name]})
		}
	}
	for n, held := range c.held {
		if c.acked.get([]byte(n)) == nil && moves(n) {
			all = append(all, moved{name: n, held: held})
		}
	}
	for _, m := range all {
		if m.acked != nil {
			keep(m.acked.uid)
			c.acked.remove([]byte(m.name))
		}
		for _, h := range m.held {
			keep(h.uid)
		}
		delete(c.held, m.name)
		c.touchLocked(m.name)
		c.leftLocked([]byte(m.name))
	}
	if len(all) > 0 {
		if c.owner > 0 {
			c.owner++ // what was handed over of it is not to be begun any more
		}
		// The rest must not be stored without what has moved.
		c.headDirty, c.headFirst = true, true
	}
	return all, at, odd, c.acked.len() == 0 && len(c.held) == 0
}

// takeInLocked adds what another cursor knew of an object. Where both know of it, the
// sink may have either state.
func (c *Cursor) takeInLocked(m moved) {
	key := []byte(m.name)
	c.enterLocked(key)
	held := slices.Clone(m.held)
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
		held = append(held, m.acked.version)
	case m.due:
		o.due = 0
	}
	if m.acked != nil {
		c.seenLocked(m.acked.rv)
	}
	if len(held) > 0 {
		c.held[m.name] = append(slices.Clone(c.held[m.name]), held...)
	}
	c.touchLocked(m.name)
}
