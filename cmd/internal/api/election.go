package api

// Following says whom a process follows, and by which lock, or returns "" if it leads or
// there is no election.
func (s *Election) Following() string {
	switch {
	case s == nil || s.Role == "leader":
		return ""
	case s.LastError != "":
		return "follower, the lock " + s.Lock + " cannot be read: " + s.LastError
	case s.Leader == "":
		return "follower, no leader is known; the lock is " + s.Lock
	}
	leader := s.Leader
	if s.LeaderAddress != "" {
		leader += " at " + s.LeaderAddress
	}
	return "follower, leader is " + leader + "; the lock is " + s.Lock
}

// AskLeader says how to reach the leader's admin address, which is on a loopback.
func (s *Election) AskLeader() string {
	if s != nil && s.LeaderHost != "" {
		return "ask the leader, from within " + s.LeaderHost
	}
	return "ask the leader"
}
