package ledger

import (
	"maps"
	"time"
)

// begin puts a transaction together: of intents only, or with everything.
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
	w.mu.Unlock()
	// What moves between cursors, and a drop with the term's generation that it raises, is
	// taken as a whole.
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	skip := func(k *cluster) bool { return early && k.failing.Load() }
	everything := func(k *cluster) bool { return all || flushed[k] || k.failing.Load() }
	rest := all || len(flushed) > 0 || len(w.refused) > 0
	w.eachBehind(skip, everything, rest, func(c *Cursor, all bool) {
		b, u := c.take(all)
		if len(u.Records) > 0 || u.Head != nil {
			t.add(b, u)
		}
		if b.gaveUp > 0 {
			id := c.ID()
			w.log.Info("A stream's resume point is given up, as too many deletions had to be remembered for its sake while a change is not accepted; a restart takes a snapshot",
				"cluster", id.Cluster, "resource", id.Resource, "deletions", b.gaveUp)
		}
	})
	if early && len(w.refused) > 0 {
		t.skipped = true
	}
	if w.failing.Load() && !early {
		if c := w.waits(t); c != nil {
			// Only what the store takes tells that it does not fail for all. It may
			// be long until a cluster at rest has something new for it.
			t.add(c.takeHead())
		}
	}
	// After that, so that a cursor is never stored without the end of the one
	// whose place it took; and last, so that nothing is left of one that was
	// dropped just now.
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, cursors := range w.dropped {
		if skip(k) {
			continue
		}
		p := t.part(k)
		p.dropped = cursors
		for _, cursor := range cursors {
			p.updates = append(p.updates, Update{Cursor: cursor, Drop: true})
		}
		delete(w.dropped, k)
	}
	return t
}

// waits returns a cursor of a cluster that is waited for although it has nothing to
// store, and did not fail to; nil: there is none.
func (w *writer) waits(t *transaction) *Cursor {
	waiting := map[*cluster]bool{}
	for k := range w.waiters {
		waiting[k] = t.parts[k] == nil && !k.failing.Load()
	}
	for _, c := range w.ledger.allLocked() {
		if waiting[c.cluster] {
			return c
		}
	}
	return nil
}
