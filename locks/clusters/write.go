package clusters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

var errNotFree = errors.New("fewer votes than a majority are free, or may be taken")

// Create makes the record. All voters have to answer, once: one of them may know of
// another set of voters. The error is AlreadyExists if there is a record.
func (l *Lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("make %s: %w", l.Describe(), context.Cause(ctx))
	}
	fresh, err := l.look(ctx, true)
	if err != nil {
		return err
	}
	c, order, err := l.foundation(fresh, record)
	if err != nil {
		return err
	}
	err = l.wrote(l.run(ctx, c, order))
	if errors.Is(err, locks.ErrChanged) {
		return apierrors.NewAlreadyExists(resource, l.Describe())
	}
	return err
}

// foundation returns a campaign that makes the record, and who is asked for it.
func (l *Lock) foundation(fresh []bool, record resourcelock.LeaderElectionRecord) (*campaign, []*seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	verdict := l.tallyLocked(fresh, true).verdict
	if (verdict == nothing || verdict == missing) && slices.Contains(fresh, false) {
		return nil, nil, fmt.Errorf("make %s, for which all voters have to answer: %w", l.Describe(), l.tooFewLocked(fresh))
	}
	l.view = view{}
	if verdict != missing {
		return nil, nil, apierrors.NewAlreadyExists(resource, l.Describe())
	}
	c := l.campaignLocked(record, view{})
	c.making = true
	c.term = max(c.term, firstTerm(l.now()))
	var order []*seat
	for _, s := range l.seats {
		switch {
		case s.lease != nil && !l.mayTakeLocked(s, c):
			return nil, nil, apierrors.NewAlreadyExists(resource, l.Describe())
		case l.believedLocked(s, c):
			order = append(order, s)
		}
	}
	if len(order) < l.majority() {
		return nil, nil, fmt.Errorf("make %s: its Leases were deleted, and whoever held it may rely on it for %v from then on", l.Describe(), c.wait)
	}
	return c, order, nil
}

// wrote notes whether the outcome of a write is known, and returns its error.
func (l *Lock) wrote(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unknown = err != nil && !errors.Is(err, locks.ErrChanged)
	return err
}

// Update replaces the record that Get, Create or Update has told last. The error is
// Conflict if it was written or deleted since. After a write whose outcome is not known
// it is an error that says so: then Get tells. Conflict would say that the voters are
// well.
func (l *Lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write %s: %w", l.Describe(), context.Cause(ctx))
	}
	l.mu.Lock()
	told, lost := l.view, l.unknown
	l.view = view{}
	c := l.campaignLocked(record, told)
	var order, unknown []*seat // the latter are asked first what they say
	for _, s := range l.seats {
		if !s.known {
			unknown = append(unknown, s)
		} else if c.renewal || l.mayTakeLocked(s, c) {
			order = append(order, s)
		}
	}
	order = append(order, unknown...)
	l.mu.Unlock()
	err := locks.ErrChanged
	switch {
	case told.verdict == nothing && lost:
		return fmt.Errorf("write %s: the outcome of the write before is not known, and it was not read since", l.Describe())
	case told.verdict == nothing, told.verdict == missing:
	case len(order) < l.majority():
		err = errNotFree
	default:
		err = l.wrote(l.run(ctx, c, order))
	}
	if errors.Is(err, locks.ErrChanged) || errors.Is(err, errNotFree) {
		return apierrors.NewConflict(resource, l.Describe(), err)
	}
	return err
}

// result is how one voter has answered a campaign.
type result struct {
	seat *seat
	yes  bool
	err  error // nil with no: it says no
}

// run asks for the votes, and returns nil when a majority has been written.
//
// A renewal asks all voters at once. Of several processes that take a record, each would
// get a part of the votes that way. So they ask the first voter of the order alone, and
// who loses there takes no other vote. One that does not answer soon is passed over.
func (l *Lock) run(ctx context.Context, c *campaign, order []*seat) error {
	ctx, cancel := l.limited(ctx)
	defer cancel()
	results := make(chan result, len(l.seats))
	asked := map[*seat]bool{}
	ask := func(s *seat) {
		if !asked[s] {
			asked[s] = true
			l.running.Go(func() { l.cast(ctx, s, c, results) })
		}
	}
	first, next := order[0], 1
	patience := time.NewTicker(l.o.Timeout / 8)
	defer patience.Stop()
	askNext := func() {
		if next < len(order) {
			ask(order[next])
			next++
		}
	}
	askAll := func() {
		for _, s := range l.seats {
			ask(s)
		}
	}
	if ask(first); c.renewal {
		askAll()
	}
	yes, no, failed := 0, 0, 0
	// Who gives the record up may end then: the last vote would stay, and be waited for.
	linger := c.record.HolderIdentity == ""
	var errs []error
	for {
		select {
		case r := <-results:
			switch {
			case r.yes, r.err != nil && l.rules.unknownIsYes:
				yes++
				askAll()
			case r.err != nil:
				failed++
				errs = append(errs, fmt.Errorf("%s: %w", r.seat.name, r.err))
				askNext()
			default:
				no++
			}
		case <-patience.C:
			if yes+no == 0 {
				askNext()
			}
			if linger = linger && yes < l.majority(); yes < l.majority() {
				continue
			}
		case <-ctx.Done():
			close(c.lost)
			return fmt.Errorf("write %s: %d of %d voters have agreed, %d are needed: %w", l.Describe(), yes, len(l.seats), l.majority(), context.Cause(ctx))
		}
		switch n := len(l.seats); {
		case yes >= l.majority() && linger && yes+no+failed < n:
		case yes >= l.majority():
			close(c.won)
			l.wonBy(c)
			return nil
		case no > 0 && !c.renewal && yes == 0, no > n-l.majority():
			close(c.lost)
			return locks.ErrChanged
		case yes+len(asked)-yes-no-failed < l.majority() && (len(asked) == n || yes == 0 && len(asked) == no+failed && next == len(order)):
			close(c.lost)
			return fmt.Errorf("write %s: %d of %d voters have agreed, %d are needed: %w", l.Describe(), yes, n, l.majority(), errors.Join(errs...))
		}
	}
}

// wonBy notes the record that was written.
func (l *Lock) wonBy(c *campaign) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := vote{Term: c.term, Ballot: c.ballot, record: c.record}
	key := v.key()
	l.view = l.electedLocked(&v, key, map[string]bool{key: true})
	if c.record.HolderIdentity == l.o.Identity {
		l.token.Store(c.term)
	}
}
