package api

import (
	"fmt"
	"time"
)

// Following says whom a process follows, and by which lock, or returns "" if it leads or
// there is no election.
func (s *Election) Following() string {
	switch {
	case s == nil || s.Role == "leader":
		return ""
	case s.Lost != "":
		return "follower, which has led, and ends: " + s.Lost
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

// Unrenewed says of a leader's lock since when it has not been renewed, and what follows from
// that, or returns "" if it is renewed in time. It is to stand after the lock's name.
func (s *Election) Unrenewed(now time.Time) string {
	if s == nil || s.UnrenewedSince.IsZero() {
		return ""
	}
	seconds := func(d time.Duration) time.Duration { return max(d, 0).Round(time.Second) }
	at := func(t time.Time) string { return t.UTC().Format(time.TimeOnly) + " UTC" }
	return fmt.Sprintf("has not been renewed since %s, for %v; this process stops delivering at %s, in %v, unless it can renew it before",
		at(s.UnrenewedSince), seconds(now.Sub(s.UnrenewedSince)), at(s.EndsAt), seconds(s.EndsAt.Sub(now)))
}

// AskLeader says how to reach the leader's admin address, which is on a loopback.
func (s *Election) AskLeader() string {
	if s != nil && s.LeaderHost != "" {
		return "ask the leader, from within " + s.LeaderHost
	}
	return "ask the leader"
}
