package ledger

import "time"

// Reopen has the ledger go on as a process does that opens it now, for sinks with these
// names: what was observed and is not acked is observed again, and clusters are to join
// again. What is stored stays as it is. The handles of before do not count any more. While
// Reopen runs, and after it, nothing uses them: all that did has ended.
func (l *Ledger) Reopen(routes []string) {
	l.routes.Store(&routes)
	now := time.Now()
	for _, c := range l.all() {
		c.reopen(now)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.clusters {
		k.joined = false
		l.freeLocked(k)
	}
}

// reopen does for a cursor what loading it does.
func (c *Cursor) reopen(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owner > 0 {
		c.owner++
	}
	c.rewindLocked()
	c.lingering, c.elsewhere = nil, false
	if c.missed = (time.Time{}); c.head.Left.IsZero() {
		c.missed = now // see addLoadedLocked
	}
}
