package ledger

// drop removes a cursor from the store with the next transaction.
func (w *writer) drop(c *Cursor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped[c.cluster] = append(w.dropped[c.cluster], c.key)
	c.cluster.storing.drops++
}

// owes reports whether the store does not take what there is of a cluster, or may have a
// cursor of it that is dropped.
func (w *writer) owes(k *cluster) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return k.failing.Load() || k.storing.drops > 0
}

// free forgets the clusters of which a transaction has stored the last.
func (w *writer) free(t *transaction) {
	l := w.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range t.parts {
		l.freeLocked(k)
	}
}
