package budget

// OnPressure has reclaim called while somebody waits for memory of the budget, at
// whichever route: when he begins to wait, and each second from then on. It has given back
// what of the share's memory nothing needs at the moment. It is called by whoever waits,
// by several at once and with no lock held, and must not wait for memory.
func (s *Share) OnPressure(reclaim func()) {
	if s == nil {
		return
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reclaim = append(b.reclaim, reclaim)
}

// press has what can be given back given back.
func (b *Budget) press() {
	b.mu.Lock()
	all := b.reclaim // it only grows
	b.mu.Unlock()
	for _, reclaim := range all {
		reclaim()
	}
}

// Contended reports whether anybody waits for memory of the loan's budget.
func (l *Loan) Contended() bool { return l.account != nil && l.account.share.Contended() }

// Shrink exchanges a loan for one that is no larger, which is there at once. Of nothing
// it makes nothing.
func (l *Loan) Shrink(q Ask) {
	if l.account == nil {
		return
	}
	var taken [1]Loan
	Exchange([]Loan{*l}, []Ask{q}, taken[:])
	*l = taken[0]
}
