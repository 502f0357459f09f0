package budget

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/list"
)

// Budget bounds the memory of all that is read, waits or is in work, over all
// routes and clusters of a program.
//
//	limit ── lanes ─────── each account (a route's lane of one cluster) has its part
//	      ├─ routes ────── each route has its part, for any of its accounts
//	      └─ in common ─── whoever comes first; by turns, if several wait
//
// Who needs memory takes it from the account that it is for before it makes use of
// it: out of the account's part, or else the route's, or else what is in common. The
// parts are there for nobody else, but for what an account had taken before more
// accounts made its part smaller, which counts in common. So a sink that is down, whose route has taken all
// that it can get, leaves the others their own, and a cluster leaves the others
// theirs. What several routes share counts in common once, and in each part that it
// is taken from.
//
// Nobody waits for memory who has any, but for moments (Take), and what has been
// taken is given back without waiting for memory: so nobody waits for ever as
// long as sinks take anything.
//
// A nil Budget, and what it hands out, has no bound and counts nothing. All methods
// may be called by any number of goroutines at once. It starts none.
type Budget struct {
	limit  int64
	lanes  int64 // that the accounts have together, in equal parts
	route  int64 // that each route has
	common int64

	mu       sync.Mutex
	own      int64 // taken out of the accounts' parts
	excess   int64 // of that, what is beyond the parts since they are smaller; counts in common
	over     int   // accounts that have taken so much
	shared   int64 // taken in common
	reading  int64 // what is held, by use
	held     int64
	accounts int
	divisor  int                 // that lanes is divided by: not less than there are accounts
	least    int64               // each account's part
	lacking  list.List[*Account] // could not have their part, because the excess of others is more than is in common
	shares   []*Share
	ring     list.List[*Share] // those with accounts that wait
	released time.Time         // when something in common was last given back
	reclaim  []func()          // pressure.go
}

// New returns the budget of a program with so many routes, of which nothing
// takes more than largest bytes at once. limit is in bytes, and at least what
// Least says: less is taken for that.
func New(limit int64, routes int, largest int64) *Budget {
	routes = max(routes, 1)
	limit = max(limit, Least(routes, largest))
	n := int64(routes)
	b := &Budget{limit: limit, route: max(limit/4/n, largest)}
	b.lanes = min(limit/2, limit-n*b.route)
	b.common = limit - b.lanes - n*b.route
	return b
}

// leastForLanes is what the accounts have together at the least.
const leastForLanes = 16 << 20

// Least returns the smallest limit with which nothing that is needed to go on
// is ever out of reach: for each route the largest that is taken at once, and 16 MiB
// for the lanes.
func Least(routes int, largest int64) int64 {
	return int64(max(routes, 1))*largest + leastForLanes
}

// Route returns the share of another route. To be called once for each of those that
// the budget was made for.
func (b *Budget) Route() *Share {
	if b == nil {
		return nil
	}
	s := &Share{budget: b, open: map[string]*Account{}, weights: map[string]int{}}
	s.place.Self = s
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares = append(b.shares, s)
	return s
}

// Share is what of a Budget is a route's.
type Share struct {
	budget *Budget
	// Guarded by the budget's mu.
	held     int64     // taken out of the route's part
	released time.Time // when something of that was last given back
	open     map[string]*Account
	weights  map[string]int      // other than one
	waiting  list.List[*Account] // by turns
	place    list.Node[*Share]   // in the budget's ring
}

// Account returns what of the share is one cluster's, for as long as it is open:
// Close is to be called as often.
func (s *Share) Account(cluster string) *Account {
	if s == nil {
		return nil
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a := s.open[cluster]
	if a == nil {
		a = &Account{share: s, cluster: cluster}
		a.place.Self, a.lacks.Self = a, a
		s.open[cluster] = a
		b.accounts++
		b.divideLocked()
	}
	a.users++
	return a
}

// SetWeight sets how many a cluster lets in when it is its turn, of several that
// wait. One, also for anything below, is the default.
func (s *Share) SetWeight(cluster string, w int) {
	if s == nil {
		return
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	if w <= 1 {
		delete(s.weights, cluster)
	} else {
		s.weights[cluster] = w
	}
}

// Account is the memory of one route for one cluster: that of its lane, and of what
// is read for it.
type Account struct {
	share   *Share
	cluster string
	// Guarded by the budget's mu.
	users   int
	loans   int   // that are out
	own     int64 // of them, taken out of the account's part
	waiters list.List[*waiter]
	turn    int                 // admissions left in this turn
	place   list.Node[*Account] // in its share's waiting
	lacks   list.Node[*Account] // in the budget's lacking
}

// Close ends the use of an account; what has been taken stays taken until it is
// released.
func (a *Account) Close() {
	if a == nil {
		return
	}
	b := a.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.users--
	a.forgetLocked()
}

// forgetLocked lets go of an account that nobody uses any more.
func (a *Account) forgetLocked() {
	s := a.share
	if a.users > 0 || a.loans > 0 || a.waiters.N > 0 || s.open[a.cluster] != a {
		return
	}
	delete(s.open, a.cluster)
	s.budget.accounts--
	s.budget.divideLocked()
}

// divideLocked gives each account its part again, once there are more than that was
// meant for, or only half as many. An eighth is left for those to come.
func (b *Budget) divideLocked() {
	n := b.accounts
	if n <= b.divisor && n > b.divisor/2 {
		return
	}
	b.divisor = max(n+n/8, 1)
	b.least = b.lanes / int64(b.divisor)
	b.excess, b.over = 0, 0
	for _, s := range b.shares {
		for _, a := range s.open {
			b.countExcessLocked(a.excessLocked(), 1)
		}
	}
	// Other ones may fit in it now: also if it is smaller, because those before them do
	// not any more.
	b.serveAllLocked()
	b.serveCommonLocked()
	b.serveLackingLocked()
}

// excessLocked is what an account has taken beyond its part: that was larger before
// others came.
func (a *Account) excessLocked() int64 { return max(a.own-a.share.budget.least, 0) }

// bookLocked notes that an account has n bytes more of its part, or fewer.
func (a *Account) bookLocked(n int64) {
	b := a.share.budget
	b.countExcessLocked(-a.excessLocked(), -1)
	a.own += n
	b.own += n
	b.countExcessLocked(a.excessLocked(), 1)
}

func (b *Budget) countExcessLocked(n int64, accounts int) {
	if n != 0 {
		b.excess += n
		b.over += accounts
	}
}

// evenLocked is what each account can have at the same time of what is there for their
// parts: its part, unless others have so much beyond theirs that some lack something. That
// much an account has before those that lack more.
func (b *Budget) evenLocked() int64 {
	// Without what the accounts have whose parts are smaller than that.
	left := b.lanes + b.common - b.shared - b.excess - int64(b.over)*b.least
	return min(max(left, 0)/int64(max(b.divisor-b.over, 1)), b.least)
}

// Together is what several routes' changes share: one object. It counts who of them
// are still to be done with it.
type Together struct {
	acks atomic.Int32 // that are missing, until the object's memory may be used again
	// Guarded by the budget's mu.
	loans  int // that are out
	common int // of them, in common
}

// NewTogether returns what n changes share.
func NewTogether(n int) *Together {
	t := new(Together)
	t.acks.Store(int32(n))
	return t
}

// Acked counts an ack, and reports whether it was the last one. Of nil, which is
// shared with nobody, any is.
func (t *Together) Acked() (last bool) { return t == nil || t.acks.Add(-1) == 0 }

// Stats is how a budget stands, in bytes. What several routes share counts
// once.
type Stats struct {
	Limit   int64
	Reading int64 // for frames that are being read
	Held    int64 // for changes that wait or are in work, or are about to
	Waiting int   // accounts at which somebody waits for memory
}

// Stats returns how the budget stands.
func (b *Budget) Stats() (s Stats) {
	if b == nil {
		return s
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s = Stats{Limit: b.limit, Reading: b.reading, Held: b.held}
	for _, share := range b.shares {
		s.Waiting += share.waiting.N
	}
	return s
}
