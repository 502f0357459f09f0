package sources

import (
	"context"

	states "github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Link returns the connection to a member as it is now, for those who ask it something of
// their own: see package member. It is false if there is no such member, or it is leaving.
func (s *Sources) Link(cluster string) (states.Link, bool) {
	s.mu.Lock()
	r, ok := s.presentLocked(cluster)
	if !ok {
		s.mu.Unlock()
		return states.Link{}, false
	}
	conn := r.conn
	s.mu.Unlock()
	return conn.Link(), true
}

// Audited is what an audit of one stream has come to: Cluster, Stream and Resource string
// name it; Result string is clean, differences, undecided, interrupted, failed or not_live;
// Differences int is how many objects differ, which are repaired; Error string is why
// nothing can be said.
type Audited = stream.Audited

// Audit compares now what the ledger knows with what a member has, one stream after the
// other, and calls tell with each result, until ctx ends. What differs is repaired. It
// returns false if there is no such member.
func (s *Sources) Audit(ctx context.Context, cluster string, tell func(Audited)) bool {
	streams, ok := s.streams(cluster)
	for _, st := range streams {
		if ctx.Err() != nil {
			break
		}
		tell(st.Audit(ctx))
	}
	return ok
}
