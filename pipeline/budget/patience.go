package budget

import "time"

// Who is first, and needs more than there is, keeps it from those behind in the hope
// that more is given back. Where nothing is, for so long, they are let in before it: what
// is missing may be held by a sink that is down. Each time that happens and something is
// given back after all, it keeps them out for twice as long, so that its turn comes.
const (
	leastPatience = time.Second
	mostPatience  = time.Minute
)

// firstLocked returns who is first of those that wait at a share's accounts.
func (s *Share) firstLocked() *waiter { return s.waiting.Head.Self.waiters.Head.Self }

// firstLocked returns who is first of those that wait for what is in common: nil if
// nobody is who could ever have it.
func (b *Budget) firstLocked() *waiter {
	for n := b.ring.Head; n != nil; n = n.Next {
		if w := n.Self.firstLocked(); w.ask.commonLocked() <= b.common {
			return w
		}
	}
	return nil
}

// releasedLocked notes that something of a route's part is given back.
func (s *Share) releasedLocked() {
	if s.waiting.N > 0 {
		s.released = time.Now()
		s.firstLocked().hopeLocked()
	}
}

// releasedLocked notes that something in common is given back.
func (b *Budget) releasedLocked() {
	if w := b.firstLocked(); w != nil {
		b.released = time.Now()
		w.hopeLocked()
	}
}

func (w *waiter) hopeLocked() {
	if w.overtaken {
		w.overtaken, w.patience = false, min(2*w.patience, mostPatience)
	}
}

// yieldsLocked reports whether one who is first lets others in before it, where
// something was last given back at a time.
func (w *waiter) yieldsLocked(released time.Time) bool {
	if w == nil {
		return true
	}
	if released.Before(w.came) {
		released = w.came
	}
	return time.Since(released) >= w.patience
}

// overtakeLocked lets in one who waits, if there is room for it and whoever is before it
// has kept it out for long enough.
func (a *Account) overtakeLocked(w *waiter) {
	if w.place.List == nil {
		return
	}
	s := a.share
	b := s.budget
	ofRoute, inCommon := s.firstLocked(), b.firstLocked()
	route, common := ofRoute.yieldsLocked(s.released), inCommon.yieldsLocked(b.released)
	l, ok := a.tryLocked(&w.ask, false, route, common)
	if !ok {
		return
	}
	for _, first := range [...]*waiter{ofRoute, inCommon} {
		if first != nil {
			first.overtaken = true
		}
	}
	a.grantLocked(w, l)
	b.serveLocked(a) // it may have stood before others
}
