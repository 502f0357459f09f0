package budget

// Those that wait for memory stand in line at their account. An account's own part
// is for the first of them that could ever fit in it. The route's part is for the
// first at the account whose turn it is among the route's, and what is in common for
// the route whose turn it is. Who cannot have it when it is his turn keeps it from those
// behind: else what is large would wait for as long as there is something small.

// Contended reports whether anybody waits for memory of the budget.
func (s *Share) Contended() bool {
	if s == nil {
		return false
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	return s.budget.ring.N > 0
}

// standLocked gives an account a place among those that wait.
func (a *Account) standLocked() {
	if a.place.List != nil || a.waiters.N == 0 {
		return
	}
	s := a.share
	a.turn = max(s.weights[a.cluster], 1)
	s.waiting.PushBack(&a.place)
	if s.place.List == nil {
		s.budget.ring.PushBack(&s.place)
	}
}

// sitLocked takes its place from an account at which nobody waits any more.
func (a *Account) sitLocked() {
	if a.place.List == nil || a.waiters.N > 0 {
		return
	}
	a.haveLocked()
	s := a.share
	a.place.Leave()
	if s.waiting.N == 0 {
		s.place.Leave()
	}
}

// keepsWaitingLocked reports whether somebody at an account is to have its own part
// before one who comes for n bytes.
func (a *Account) keepsWaitingLocked(n int64) bool {
	if n > a.share.budget.least {
		return true // it would not fit anyway
	}
	for w := a.waiters.Head; w != nil; w = w.Next {
		if w.Self.ask.bytes() <= a.share.budget.least {
			return true
		}
	}
	return false
}

// grantLocked lets somebody who waits have what he waits for.
func (a *Account) grantLocked(w *waiter, l Loan) {
	w.loan = l
	w.place.Leave()
	close(w.done)
	a.sitLocked()
}

// serveLocked lets in who waits, after something of an account was released, or
// somebody began or ended to wait there.
func (b *Budget) serveLocked(a *Account) {
	if b.ring.N == 0 {
		return
	}
	a.serveOwnLocked()
	a.share.serveLocked()
	b.serveCommonLocked()
	b.serveLackingLocked() // last: the first of those may have been let in just now
}

// serveAllLocked lets in all that have room in their own part or their route's.
func (b *Budget) serveAllLocked() {
	for s := b.ring.Head; s != nil; {
		share := s.Self
		s = s.Next // before it may have left
		for n := share.waiting.Head; n != nil; {
			a := n.Self
			n = n.Next
			a.serveOwnLocked()
		}
		share.serveLocked()
	}
}

// serveOwnLocked lets in those at an account that have room in its own part.
func (a *Account) serveOwnLocked() {
	b := a.share.budget
	for n := a.waiters.Head; n != nil; {
		w := n.Self
		n = n.Next
		if w.ask.bytes() > b.least {
			continue
		}
		l, ok := a.tryLocked(&w.ask, true, false, false)
		if !ok && a.own+w.ask.bytes() <= b.least {
			if a.lacks.List == nil {
				b.lacking.PushBack(&a.lacks)
			}
			return
		}
		if !ok {
			break
		}
		a.grantLocked(w, l)
	}
	a.haveLocked()
}

// haveLocked takes an account from those that lack something of their part.
func (a *Account) haveLocked() {
	if a.lacks.List != nil {
		a.lacks.Leave()
	}
}

// serveLackingLocked lets in those that lack something of their part: the first as long
// as there is enough for it, and of the others those that want no more than an even share.
func (b *Budget) serveLackingLocked() {
	for n := b.lacking.Head; n != nil && b.own+b.shared < b.lanes+b.common; {
		a := n.Self
		n = n.Next
		a.serveOwnLocked() // which concerns no other account
	}
}

// serveLocked lets in, by turns, those that have room in a route's part.
func (s *Share) serveLocked() {
	for s.waiting.N > 0 && s.stepLocked(false) {
	}
}

// serveCommonLocked lets in, by turns, those that have room in common.
func (b *Budget) serveCommonLocked() {
	for n := b.ring.Head; n != nil; {
		s := n.Self
		if !s.stepLocked(true) {
			if q := &s.firstLocked().ask; q.commonLocked() <= b.common {
				return
			}
			n = n.Next // it waits for its route's part, and keeps nobody out here
			continue
		}
		s.serveLocked() // the next one may need less
		if s.place.List != nil {
			s.place.Leave()
			b.ring.PushBack(&s.place)
		}
		n = b.ring.Head
	}
}

// stepLocked lets in the first at the account whose turn it is, if there is room for
// it; in common only if that may be used.
func (s *Share) stepLocked(common bool) bool {
	a := s.waiting.Head.Self
	w := a.waiters.Head.Self
	l, ok := a.tryLocked(&w.ask, false, true, common)
	if !ok {
		return false
	}
	a.grantLocked(w, l)
	a.serveOwnLocked() // it may have stood before others
	if a.turn--; a.turn <= 0 && a.place.List != nil {
		a.place.Leave()
		a.turn = max(s.weights[a.cluster], 1)
		s.waiting.PushBack(&a.place)
	}
	return true
}
