package election

import "time"

// settled is for how long a process has to hold the lease to be more than one of several that
// take it from each other, or lose it again at once. A process that is well begins in less.
const settled = 15 * time.Second

// tenure is who holds the lease, as one process sees it.
//
//	holder:  a ───────────┐   ┌ b ┐   ┌ c ┐   ┌ b ────────────────────────
//	                      └ ─ ┘   └ ─ ┘   └ ─ ┘
//	since:                ^   ^   ^   ^   ^   ^
//	unrest:               |◀──────────────────▶ and 15 seconds of b
type tenure struct {
	holder string    // empty: nobody
	since  time.Time // when it became so
	seen   bool      // somebody has looked

	unrest time.Time // when the last one ended that had held it for long; zero: none has
}

// see notes who holds the lease, and reports whether that is another one.
func (t *tenure) see(holder string, now time.Time) (changed bool) {
	first := !t.seen
	t.seen = true
	if holder == t.holder {
		return false
	}
	switch {
	case first: // nobody knows what was before
	case t.holds(now):
		t.unrest = now
	case t.unrest.IsZero() && t.holder != "": // it was there at the first look
		t.unrest = now
	case t.unrest.IsZero():
		t.unrest = t.since
	}
	t.holder, t.since = holder, now
	return true
}

// holds reports whether the holder has held it for long.
func (t *tenure) holds(now time.Time) bool { return t.holder != "" && now.Sub(t.since) >= settled }

// unsettled returns since when nobody has held it for long; zero: somebody has.
func (t *tenure) unsettled(now time.Time) time.Time {
	if t.holds(now) {
		return time.Time{}
	}
	return t.unrest
}
