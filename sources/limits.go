package sources

// limitLocked gives a member the limits and labels that its description tells.
func (s *Sources) limitLocked(r *member) {
	for _, st := range r.streams {
		st.Relabel(r.config.Labels)
	}
	if s.o.Limit != nil {
		s.o.Limit(r.name, r.config.Limits)
	}
	quota := s.o.Config.Quota // less than 0: no bound
	quota.Objects, quota.Bytes = max(quota.Objects, 0), max(quota.Bytes, 0)
	quota.Objects, quota.Bytes = r.config.Limits.OverQuota(quota.Objects, quota.Bytes)
	if s.o.Ledger.SetQuota(r.name, quota) {
		for _, st := range r.streams {
			st.MakeRoom()
		}
	}
	s.pauseLocked(r)
}
