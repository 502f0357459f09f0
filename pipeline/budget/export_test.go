package budget

import "fmt"

// Unfair tells of somebody who waits although he need not, worked out anew from all
// that is lent; "" if there is nobody.
func (b *Budget) Unfair() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	own, excess, routes, over := int64(0), int64(0), int64(0), 0
	for _, s := range b.shares {
		routes += s.held
		if s.held > b.route {
			return fmt.Sprintf("a route has %d, its part is %d", s.held, b.route)
		}
		for _, a := range s.open {
			own += a.own
			excess += max(a.own-b.least, 0)
			if a.own > b.least {
				over++
			}
		}
	}
	switch {
	case own != b.own || excess != b.excess || over != b.over || own+b.shared > b.lanes+b.common:
		return fmt.Sprintf("accounts have %d (%d is noted), %d is theirs", own, b.own, b.lanes)
	case b.shared > b.common:
		return fmt.Sprintf("%d is lent in common of %d", b.shared, b.common)
	case b.lanes+b.common+int64(len(b.shares))*b.route != b.limit:
		return "the parts are not the whole"
	}
	for _, s := range b.shares {
		for n := s.waiting.Head; n != nil; n = n.Next {
			a := n.Self
			for w := a.waiters.Head; w != nil; w = w.Next {
				if n := w.Self.ask.bytes(); n <= b.least {
					first := b.lacking.N == 0 || b.lacking.Head.Self == a || a.own+n <= b.evenLocked()
					if a.own+n <= b.least && first && b.own+b.shared+n <= b.lanes+b.common {
						return fmt.Sprintf("%s waits for %d, and has %d of its part of %d", a.cluster, n, a.own, b.least)
					}
					break // the others are behind it
				}
			}
		}
		if s.waiting.N > 0 {
			a := s.waiting.Head.Self
			if n := a.waiters.Head.Self.ask.bytes(); s.held+n <= b.route {
				return fmt.Sprintf("%s waits for %d as the first, and its route has %d of its part of %d", a.cluster, n, s.held, b.route)
			}
		}
	}
	if w := b.firstLocked(); w != nil {
		if n := w.ask.commonLocked(); b.shared+b.excess+n <= b.common {
			return fmt.Sprintf("somebody waits for %d as the first, and %d is lent in common of %d", n, b.shared, b.common)
		}
	}
	return ""
}

// Leaks tells what is left although nothing should be.
func (b *Budget) Leaks() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own != 0 || b.shared != 0 || b.reading != 0 || b.held != 0 || b.excess != 0 || b.accounts != 0 || b.ring.N+b.lacking.N != 0 {
		return fmt.Sprintf("left: own %d, common %d, reading %d, held %d, accounts %d, waiting %d", b.own, b.shared, b.reading, b.held, b.accounts, b.ring.N)
	}
	for _, s := range b.shares {
		if s.held != 0 || len(s.open) != 0 || s.waiting.N != 0 {
			return fmt.Sprintf("left of a route: %d, accounts %d, waiting %d", s.held, len(s.open), s.waiting.N)
		}
	}
	return ""
}
