package clusters

import (
	"context"
	"errors"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/fairlead-dev/fairlead/locks"
)

// cast asks one voter for its vote, and tells the result, once. Then it sees to what is
// left: a vote that was given to a campaign that is lost is given back, and a voter that
// did not count, because it has no Lease, has lost what it knew or is behind, gets the
// vote of the campaign that has won.
func (l *Lock) cast(ctx context.Context, s *seat, c *campaign, results chan<- result) {
	r := l.ask(ctx, s, c, false)
	results <- r
	select {
	case <-c.won:
		if !r.yes && r.err == nil {
			_ = l.ask(ctx, s, c, true)
		}
	case <-c.lost:
		if !c.renewal && (r.yes || r.err != nil) {
			l.giveBack(ctx, s, c)
		}
	}
}

// ask writes the record to one voter, if that may be replaced. Unless the campaign has
// won, the voter has to count.
func (l *Lock) ask(ctx context.Context, s *seat, c *campaign, won bool) result {
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	if err := l.take(ctx, s); err != nil {
		return result{s, false, err}
	}
	defer l.release(s)
	select {
	case <-c.lost:
		return result{seat: s}
	default:
	}
	l.mu.Lock()
	known := s.known
	l.mu.Unlock()
	if !known {
		if err := l.readSeat(ctx, s); err != nil {
			return result{s, false, err}
		}
	}
	lease, err := l.ballotFor(s, c, won)
	if lease == nil || err != nil {
		return result{s, false, err}
	}
	err = l.swap(ctx, s, lease)
	if errors.Is(err, locks.ErrChanged) {
		return result{seat: s}
	}
	return result{s, err == nil, err}
}

// ballotFor returns what to write to a voter; nil: nothing.
func (l *Lock) ballotFor(s *seat, c *campaign, won bool) (*coordinationv1.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	may := l.mayTakeLocked(s, c)
	switch {
	case s.lease == nil:
		may = won || (c.making || l.rules.missingVotes) && l.believedLocked(s, c)
	case won && !may: // without the voter's vote: what is of an earlier term relies on nothing
		may = s.vote.Term < c.term || s.vote.Term == c.term && !s.trusted(c.wait, l.now())
	}
	if !may {
		return nil, nil
	}
	return l.encodeLocked(s, vote{Term: c.term, Ballot: c.ballot, record: c.record})
}

// encodeLocked returns the Lease of a voter with another vote.
func (l *Lock) encodeLocked(s *seat, v vote) (*coordinationv1.Lease, error) {
	v.Voter, v.Voters, v.Writes = s.name, l.voters, 1
	if s.lease != nil {
		v.Writes = s.vote.Writes + 1
	}
	return encode(v, s.lease, l.o.Namespace, l.o.Name)
}

// swap writes to a voter, whose turn it is.
func (l *Lock) swap(ctx context.Context, s *seat, lease *coordinationv1.Lease) error {
	got, err := s.register.swap(ctx, lease)
	return l.noteSeat(s, got, err)
}

// giveBack makes a vote free again that a lost campaign has got, or may have.
func (l *Lock) giveBack(ctx context.Context, s *seat, c *campaign) {
	ctx, cancel := l.bounded(ctx)
	defer cancel()
	if l.take(ctx, s) != nil {
		return // it expires
	}
	defer l.release(s)
	l.mu.Lock()
	known := s.known
	l.mu.Unlock()
	if !known && l.readSeat(ctx, s) != nil {
		return
	}
	l.mu.Lock()
	v := vote{Term: c.term, Ballot: c.ballot + "-back", record: c.record}
	v.record.HolderIdentity, v.record.LeaseDurationSeconds = "", 1
	ours := s.known && s.lease != nil && s.vote.Ballot == c.ballot
	lease, err := l.encodeLocked(s, v)
	l.mu.Unlock()
	if ours && err == nil {
		_ = l.swap(ctx, s, lease)
	}
}
