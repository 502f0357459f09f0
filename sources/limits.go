package sources

import "github.com/fairlead-dev/fairlead/sources/fleet"

// updateLocked gives a member that is followed what its description says now. A
// description that asks for other limits only does not touch the connection.
func (s *Sources) updateLocked(r *member, m fleet.Member) {
	r.source = m.Source
	if r.fingerprint != m.Fingerprint {
		r.fingerprint = m.Fingerprint
		r.conn.SetREST(m.REST)
	}
	s.limitLocked(r, m.Limits)
}

// limitLocked gives a member the limits that its description asks for.
func (s *Sources) limitLocked(r *member, l fleet.Limits) {
	if s.o.Limit != nil {
		s.o.Limit(r.name, l)
	}
	if l.Paused {
		r.conn.Pause()
	} else {
		r.conn.Resume()
	}
}
