package clusters

import (
	"strconv"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// campaign is one attempt to write a record to a majority of the voters.
type campaign struct {
	record  resourcelock.LeaderElectionRecord
	told    view
	term    uint64
	ballot  string
	renewal bool          // in the term of before
	making  bool          // also where there is no Lease
	wait    time.Duration // how long a vote has to be unchanged to be taken
	won     chan struct{} // closed when a majority has been written
	lost    chan struct{} // closed when it will not be
}

// campaignLocked returns a campaign for a record in place of what was told.
func (l *Lock) campaignLocked(record resourcelock.LeaderElectionRecord, told view) *campaign {
	l.ballots++
	c := &campaign{
		record: record, told: told,
		ballot: l.nonce + "-" + strconv.FormatUint(l.ballots, 10),
		wait:   time.Duration(record.LeaseDurationSeconds) * time.Second,
		won:    make(chan struct{}), lost: make(chan struct{}),
	}
	holder := record.HolderIdentity
	if c.renewal = told.mine && (holder == "" || holder == told.record.HolderIdentity); c.renewal {
		c.term = told.term
		return c
	}
	c.term = l.token.Load() + 1
	for _, s := range l.seats {
		if s.vote.Term != 0 && l.believedLocked(s, c) {
			c.term = max(c.term, s.vote.Term+1)
		}
	}
	return c
}

// believedLocked reports whether a voter counts: it has lost nothing of what it knew, and
// does not stand alone with a term far above all others.
func (l *Lock) believedLocked(s *seat, c *campaign) bool {
	now := l.now()
	if !l.rules.noSuspects && !s.trusted(c.wait, now) {
		return false
	}
	most := highestAlone(now)
	if s.vote.Term <= most {
		return true
	}
	for _, other := range l.seats {
		if other != s && other.vote.Term > most {
			return true
		}
	}
	return false
}

// mayTakeLocked reports whether a vote that there is may be replaced: it is free, this
// process's own, told to the caller, who has waited, or not seen to change for longer
// than it may be relied on. At one voter terms do not shrink, so two that have led have
// different ones, and the later one the higher.
func (l *Lock) mayTakeLocked(s *seat, c *campaign) bool {
	if !s.known || !l.believedLocked(s, c) {
		return false
	}
	if s.lease == nil {
		return l.rules.missingVotes
	}
	if s.vote.Term > c.term || s.vote.Term == c.term && !c.renewal {
		return false
	}
	wait := c.wait
	if l.rules.noWait {
		wait /= 3
	}
	switch holder := s.vote.record.HolderIdentity; {
	case holder == l.o.Identity, holder != "" && c.told.keys[s.vote.key()], holder == "" && !l.objectionLocked(s, c):
		return true
	}
	return s.unchanged(wait, l.now())
}

// objectionLocked reports whether a vote that was read is another process's, may be relied
// on, and is of no earlier term than a free one. Then the free vote is no news of a
// release: its cluster may have been restored from a backup. The holder takes it again
// with its next renewal, so that is waited for.
func (l *Lock) objectionLocked(free *seat, c *campaign) bool {
	if l.rules.noObjection || c.renewal {
		return false
	}
	for _, s := range l.seats {
		holder := s.vote.record.HolderIdentity
		if s.known && s.lease != nil && s.vote.Term >= free.vote.Term && holder != "" && holder != l.o.Identity && !c.told.keys[s.vote.key()] && !s.unchanged(c.wait, l.now()) {
			return true
		}
	}
	return false
}
