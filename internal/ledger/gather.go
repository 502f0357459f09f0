package ledger

import (
	"maps"
	"time"
)

// begin puts a transaction together: of intents only, or with everything. It takes cluster
// after cluster, so that the others are not held up by what it encodes of one.
func (w *writer) begin(all bool) *transaction {
	w.round++
	t := &transaction{writer: w, parts: map[*cluster]*part{}}
	w.mu.Lock()
	early := time.Now().Before(w.retryAt)
	for k, stored := range w.waiting {
		if early && k.failing.Load() || w.waiters[k] != nil {
			continue // one channel for all who come until its next turn
		}
		w.waiters[k] = stored
		delete(w.waiting, k)
	}
	flushed := maps.Clone(w.flushed)
	clear(w.flushed)
	skip := func(k *cluster) bool { return early && k.failing.Load() }
	everything := func(k *cluster) bool { return all || flushed[k] || k.failing.Load() }
	clusters := w.behindLocked(skip, everything, all || len(flushed) > 0 || len(w.refused) > 0)
	w.mu.Unlock()
	term := w.ledger.term.cluster
	for _, k := range clusters {
		if k != term {
			w.take(t, k, everything(k))
		}
	}
	t.skipped = early && len(w.refused) > 0
	if w.failing.Load() && !early {
		if c := w.waits(t); c != nil {
			// Only what the store takes tells that it does not fail for all. It may
			// be long until a cluster at rest has something new for it.
			c.mu.Lock()
			c.headDirty = true
			c.mu.Unlock()
			w.take(t, c.cluster, true)
		}
	}
	if !skip(term) {
		// Last: it has the generation that each drop which was taken has raised.
		w.take(t, term, everything(term))
	}
	return t
}

// take adds what there is of a cluster: its intents, or everything. What moves from one of
// its cursors to another is taken as a whole, and a cursor is taken with the drop of the one
// whose place it took.
func (w *writer) take(t *transaction, k *cluster, everything bool) {
	k.whole.Lock()
	defer k.whole.Unlock()
	w.mu.Lock()
	cursors := k.takeLocked(everything)
	dropped := w.dropped[k]
	delete(w.dropped, k)
	w.mu.Unlock()
	for _, c := range cursors {
		w.looked++
		w.takeCursor(t, &Cursor{cursor: c}, everything)
	}
	if len(dropped) == 0 {
		return
	}
	p := t.part(k)
	p.dropped = dropped
	for _, cursor := range dropped {
		p.updates = append(p.updates, Update{Cursor: cursor, Drop: true})
	}
}

func (w *writer) takeCursor(t *transaction, c *Cursor, everything bool) {
	b, u := c.take(everything)
	if len(u.Records) > 0 || u.Head != nil {
		t.add(b, u)
	}
	if b.gaveUp > 0 {
		id := c.ID()
		w.log.Info("A stream's resume point is given up, as too many deletions had to be remembered for its sake while a change is not accepted; a restart takes a snapshot",
			"cluster", id.Cluster, "resource", id.Resource, "deletions", b.gaveUp)
	}
}

// waits returns a cursor of a cluster that is waited for although it has nothing to
// store, and did not fail to; nil: there is none.
func (w *writer) waits(t *transaction) *Cursor {
	waiting := map[*cluster]bool{}
	for k := range w.waiters {
		waiting[k] = t.parts[k] == nil && !k.failing.Load()
	}
	for _, c := range w.ledger.all() {
		if waiting[c.cluster] {
			return c
		}
	}
	return nil
}
