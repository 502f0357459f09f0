package budget

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// Ask is how much memory is wanted: Object and Own together, in bytes.
type Ask struct {
	// Object is what is shared with the others of Together, if that is set: it
	// counts in common once.
	Object int
	// Own is what is needed beside that.
	Own int
	// Together is set if several routes share Object: for all that they take.
	Together *Together
	// Reading is set for a frame that is being read.
	Reading bool
}

func (q *Ask) bytes() int64 { return int64(q.Object) + int64(q.Own) }

// purse is where of a budget something was taken out.
type purse uint8

const (
	ofAccount purse = iota // the account's part
	ofRoute                // the route's
	inCommon
)

// Loan is what has been taken out of an account. It has one owner at a time, who
// gives it back by Release. The zero Loan is nothing.
type Loan struct {
	account  *Account
	together *Together
	object   int32
	own      int32
	purse    purse
	reading  bool
}

// IsZero tells whether a loan is nothing.
func (l *Loan) IsZero() bool { return l.account == nil }

func (l *Loan) bytes() int64 { return int64(l.object) + int64(l.own) }

// waiter is who stands blocked in Take.
type waiter struct {
	ask   Ask
	place list.Node[*waiter] // in its account's waiters
	done  chan struct{}      // closed once loan is set
	loan  Loan

	came      time.Time
	patience  time.Duration // for how long it keeps others out, as the first
	overtaken bool          // since something was last given back
}

// Try takes memory if there is some for the account now, and nobody waits for it
// who was there before.
func (a *Account) Try(q Ask) (l Loan, ok bool) {
	if a == nil {
		return l, true
	}
	b := a.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return a.tryLocked(&q, !a.keepsWaitingLocked(q.bytes()), a.share.waiting.N == 0, b.ring.N == 0)
}

// Take is Try, but waits until there is memory, or ctx ends. While it waits the
// caller should have nothing of the budget, or only for a while: others may wait for
// that.
func (a *Account) Take(ctx context.Context, q Ask) (Loan, error) {
	if l, ok := a.Try(q); ok {
		return l, nil
	}
	b := a.share.budget
	b.mu.Lock()
	w := &waiter{ask: q, done: make(chan struct{}), came: time.Now(), patience: leastPatience}
	w.place.Self = w
	a.waiters.PushBack(&w.place)
	a.standLocked()
	b.serveLocked(a) // something may have been released meanwhile
	a.overtakeLocked(w)
	b.mu.Unlock()
	b.press()
	again := time.NewTicker(leastPatience)
	defer again.Stop()
	for ended := false; !ended; {
		select {
		case <-w.done:
			return w.loan, nil
		case <-ctx.Done():
			ended = true
		case <-again.C:
			b.press()
			b.mu.Lock()
			a.overtakeLocked(w)
			b.mu.Unlock()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.place.List == nil { // it has it already
		return w.loan, nil
	}
	w.place.Leave()
	a.sitLocked()
	b.serveLocked(a) // it may have kept others out
	a.forgetLocked()
	return Loan{}, fmt.Errorf("wait for memory for cluster %q: %w", a.cluster, ctx.Err())
}

// Release gives a loan back; it is nothing then.
func (l *Loan) Release() {
	a := l.account
	if a == nil {
		return
	}
	b := a.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.returnLocked()
	b.serveLocked(a)
	a.forgetLocked()
}

// Exchange gives loans back, each for one that is no larger: taken[i] is what
// asks[i] wants of the account of loans[i], which it has at once. One that wants
// nothing, and those without an ask, are just given back. The loans are nothing then.
// All are of one budget.
func Exchange(loans []Loan, asks []Ask, taken []Loan) {
	var b *Budget
	from := make([]Loan, 0, 4)
	for i := range loans {
		from = append(from, loans[i])
		if loans[i].account == nil {
			continue
		}
		if b == nil {
			b = loans[i].account.share.budget
			b.mu.Lock()
			defer b.mu.Unlock()
		}
		loans[i].returnLocked()
	}
	// First all where it has just been given back: there it fits. Then what the accounts
	// can have of their own goes there, which leaves the others more.
	for i := range asks {
		if a, q := from[i].account, &asks[i]; a != nil && q.bytes() > 0 {
			taken[i] = a.lendLocked(q, from[i].purse)
		}
	}
	for i := range asks {
		if a := from[i].account; !taken[i].IsZero() && taken[i].purse != ofAccount && a.ownLocked(taken[i].bytes()) {
			taken[i].returnLocked()
			taken[i] = a.lendLocked(&asks[i], ofAccount)
		}
	}
	for _, l := range from {
		if l.account != nil {
			b.serveLocked(l.account)
			l.account.forgetLocked()
		}
	}
}

// tryLocked takes out of those parts that may be, if one has enough.
func (a *Account) tryLocked(q *Ask, own, route, common bool) (l Loan, ok bool) {
	s := a.share
	b, n := s.budget, q.bytes()
	if own && a.ownLocked(n) {
		return a.lendLocked(q, ofAccount), true
	}
	if route && s.held+n <= b.route {
		return a.lendLocked(q, ofRoute), true
	}
	if common && b.shared+b.excess+q.commonLocked() <= b.common {
		return a.lendLocked(q, inCommon), true
	}
	return l, false
}

// ownLocked reports whether an account can have n bytes of its part. It always can,
// unless what others have beyond theirs is more than is in common, so that there is not
// all of the parts. Then who has no more than an even share of what there is can have it,
// and those that lack more have it in the order they came: else one that wants much would
// either keep out what is small, or never have its turn.
func (a *Account) ownLocked(n int64) bool {
	b := a.share.budget
	if a.own+n > b.least || b.own+b.shared+n > b.lanes+b.common {
		return false
	}
	return b.lacking.Head == nil || b.lacking.Head.Self == a || a.own+n <= b.evenLocked()
}

// commonLocked is how many bytes more something takes in common.
func (q *Ask) commonLocked() int64 {
	if q.Together != nil && q.Together.common > 0 {
		return int64(q.Own)
	}
	return q.bytes()
}

func (a *Account) lendLocked(q *Ask, from purse) Loan {
	s := a.share
	b, n, t := s.budget, q.bytes(), q.Together
	switch from {
	case ofAccount:
		a.bookLocked(n)
	case ofRoute:
		s.held += n
	case inCommon:
		b.shared += q.commonLocked()
		if t != nil {
			t.common++
		}
	}
	a.loans++
	use := n
	if t != nil {
		if t.loans > 0 {
			use = int64(q.Own)
		}
		t.loans++
	}
	b.useLocked(q.Reading, use)
	return Loan{account: a, together: t, object: int32(q.Object), own: int32(q.Own), purse: from, reading: q.Reading}
}

func (l *Loan) returnLocked() {
	a, t, n := l.account, l.together, l.bytes()
	s := a.share
	b := s.budget
	switch l.purse {
	case ofAccount:
		a.bookLocked(-n)
	case ofRoute:
		s.held -= n
		s.releasedLocked()
	case inCommon:
		b.releasedLocked()
		less := n
		if t != nil {
			if t.common--; t.common > 0 {
				less = int64(l.own)
			}
		}
		b.shared -= less
	}
	a.loans--
	use := n
	if t != nil {
		if t.loans--; t.loans > 0 {
			use = int64(l.own)
		}
	}
	b.useLocked(l.reading, -use)
	*l = Loan{}
}

func (b *Budget) useLocked(reading bool, n int64) {
	if reading {
		b.reading += n
	} else {
		b.held += n
	}
}
