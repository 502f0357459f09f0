package ledger

// dueKey is a stream and a route that nobody has claimed a cursor for.
type dueKey struct{ cluster, stream, route string }

// RaiseDueOf has all be due (see Cursor.RaiseDue) of what a stream will claim for a route, which
// it cannot yet: its member has not been reached. It is kept in memory, also while the ledger is
// opened again, until TakeDueOf takes it or the cluster leaves.
func (l *Ledger) RaiseDueOf(cluster, stream, route string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due == nil {
		l.due = map[dueKey]struct{}{}
	}
	l.due[dueKey{cluster, stream, route}] = struct{}{}
}

// TakeDueOf reports whether all is due of what a stream has claimed for a route now.
func (l *Ledger) TakeDueOf(cluster, stream, route string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := dueKey{cluster, stream, route}
	_, due := l.due[key]
	delete(l.due, key)
	return due
}

func (l *Ledger) forgetDue(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.due {
		if key.cluster == cluster {
			delete(l.due, key)
		}
	}
}
