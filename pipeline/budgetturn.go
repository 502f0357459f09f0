package pipeline

// Those that wait for memory stand in line at their account. An account's own part
// is for the first of them that could ever fit in it. The route's part is for the
// first at the account whose turn it is among the route's, and what is in common for
// the route whose turn it is. Who cannot have it when it is his turn keeps it from those
// behind: else what is large would wait for as long as there is something small.

// standLocked gives an account a place among those that wait.
func (a *Account) standLocked() {
	if a.place.list != nil || a.waiters.n == 0 {
		return
	}
	s := a.share
	a.turn = max(s.weights[a.cluster], 1)
	s.waiting.pushBack(&a.place)
	if s.place.list == nil {
		s.budget.ring.pushBack(&s.place)
	}
}

// sitLocked takes its place from an account at which nobody waits any more.
func (a *Account) sitLocked() {
	if a.place.list == nil || a.waiters.n > 0 {
		return
	}
	s := a.share
	a.place.leave()
	if s.waiting.n == 0 {
		s.place.leave()
	}
}

// keepsWaitingLocked reports whether somebody at an account is to have its own part
// before one who comes for n bytes.
func (a *Account) keepsWaitingLocked(n int64) bool {
	if n > a.share.budget.least {
		return true // it would not fit anyway
	}
	for w := a.waiters.head; w != nil; w = w.next {
		if w.self.ask.bytes() <= a.share.budget.least {
			return true
		}
	}
	return false
}

// grantLocked lets somebody who waits have what he waits for.
func (a *Account) grantLocked(w *waiter, l Loan) {
	w.loan = l
	w.place.leave()
	close(w.done)
	a.sitLocked()
}

// serveLocked lets in who waits, after something of an account was released, or
// somebody began or ended to wait there.
func (b *Budget) serveLocked(a *Account) {
	if b.ring.n == 0 {
		return
	}
	if b.tight {
		b.serveAllLocked()
	} else {
		a.serveOwnLocked()
	}
	a.share.serveLocked()
	b.serveCommonLocked()
}

// serveAllLocked lets in all that have room in their own part or their route's.
func (b *Budget) serveAllLocked() {
	b.tight = false
	for s := b.ring.head; s != nil; {
		share := s.self
		s = s.next // before it may have left
		for n := share.waiting.head; n != nil; {
			a := n.self
			n = n.next
			a.serveOwnLocked()
		}
		share.serveLocked()
	}
}

// serveOwnLocked lets in those at an account that have room in its own part.
func (a *Account) serveOwnLocked() {
	least := a.share.budget.least
	for n := a.waiters.head; n != nil; {
		w := n.self
		n = n.next
		if w.ask.bytes() > least {
			continue
		}
		l, ok := a.tryLocked(&w.ask, true, false, false)
		if !ok {
			return
		}
		a.grantLocked(w, l)
	}
}

// serveLocked lets in, by turns, those that have room in a route's part.
func (s *Share) serveLocked() {
	for s.waiting.n > 0 && s.stepLocked(false) {
	}
}

// serveCommonLocked lets in, by turns, those that have room in common.
func (b *Budget) serveCommonLocked() {
	for n := b.ring.head; n != nil; {
		s := n.self
		if !s.stepLocked(true) {
			if q := &s.firstLocked().ask; q.commonLocked() <= b.common {
				return
			}
			n = n.next // it waits for its route's part, and keeps nobody out here
			continue
		}
		s.serveLocked() // the next one may need less
		if s.place.list != nil {
			s.place.leave()
			b.ring.pushBack(&s.place)
		}
		n = b.ring.head
	}
}

// stepLocked lets in the first at the account whose turn it is, if there is room for
// it; in common only if that may be used.
func (s *Share) stepLocked(common bool) bool {
	a := s.waiting.head.self
	w := a.waiters.head.self
	l, ok := a.tryLocked(&w.ask, false, true, common)
	if !ok {
		return false
	}
	a.grantLocked(w, l)
	a.serveOwnLocked() // it may have stood before others
	if a.turn--; a.turn <= 0 && a.place.list != nil {
		a.place.leave()
		a.turn = max(s.weights[a.cluster], 1)
		s.waiting.pushBack(&a.place)
	}
	return true
}
