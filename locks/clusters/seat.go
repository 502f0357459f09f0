package clusters

import (
	"context"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
)

// register is the Lease of one voter. It is used by one goroutine at a time.
type register interface {
	// read returns the Lease; nil: there is none. It sees every swap that had
	// succeeded before it began.
	read(ctx context.Context) (*coordinationv1.Lease, error)
	// swap replaces the Lease of this UID and resourceVersion, or makes it if it has
	// none, and returns it as it is now. The error is or wraps locks.ErrChanged if
	// there is another one. Any other error leaves open what has happened.
	swap(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error)
	close()
}

// seat is what this process knows of one voter. Guarded by Lock.mu, but for the
// first three.
type seat struct {
	name     string
	register register
	turn     chan struct{} // full while a request is under way: they go one by one

	// known: lease and vote are what the last answer said, and no write has gone out
	// since whose outcome is unknown.
	known bool
	lease *coordinationv1.Lease // nil: there was none
	vote  vote                  // of the lease; of the last one if there is none
	since time.Time             // when the lease was first seen as it is
	mark  mark                  // of the last lease
	// suspect is when the voter was found to have lost what it knew: its Lease was
	// made anew, or is an older one. Zero: it was not.
	suspect time.Time
	err     error // of the last request
}

// mark tells whether a Lease is older than another one.
type mark struct {
	uid     types.UID
	version uint64 // resourceVersion; 0: not a number
	writes  uint64
	term    uint64
}

func markOf(lease *coordinationv1.Lease, v *vote) mark {
	if lease == nil {
		return mark{}
	}
	version, _ := strconv.ParseUint(lease.ResourceVersion, 10, 64)
	return mark{uid: lease.UID, version: version, writes: v.Writes, term: v.Term}
}

// lost reports whether a voter that had the Lease before and has this one now has
// lost what it knew.
func (m mark) lost(before mark) bool {
	return before.uid != "" && (m.uid != before.uid || m.writes < before.writes || m.term < before.term ||
		m.version != 0 && m.version < before.version)
}

// note takes an answer.
func (s *seat) note(lease *coordinationv1.Lease, v vote, now time.Time) {
	m := markOf(lease, &v)
	if m.lost(s.mark) {
		s.suspect = now
	}
	if s.since.IsZero() || m != s.mark {
		s.since = now
	}
	s.known, s.err = true, nil
	s.lease, s.mark = lease, m
	if lease != nil {
		s.vote = v
	}
}

// forget says that it is not known what the voter says.
func (s *seat) forget(err error) { s.known, s.err = false, err }

// unchanged reports whether the lease has been seen as it is for longer than d, and
// than its holder asks for.
func (s *seat) unchanged(d time.Duration, now time.Time) bool {
	return now.Sub(s.since) > max(d, time.Duration(s.vote.record.LeaseDurationSeconds)*time.Second)
}

// trusted reports whether the voter's vote counts.
func (s *seat) trusted(d time.Duration, now time.Time) bool {
	return s.suspect.IsZero() || now.Sub(s.suspect) > d
}
