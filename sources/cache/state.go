package cache

import (
	"maps"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// State is where a member's caches stand.
type State = member.State

// The states of a member.
const (
	Connecting = member.Connecting // never reached yet
	Syncing    = member.Syncing    // reached; first lists are under way
	Live       = member.Live       // reached; every watch is open
	Stale      = member.Stale      // watches are being opened again; reads are answered from before
	BackingOff = member.BackingOff // cannot be reached or used; reads are answered from before
	Gone       = member.Gone       // not in the fleet
)

// Status is where one member stands.
type Status struct {
	Cluster string
	State   State
	// Reason says why in a few words; empty when live.
	Reason string
	// Since is when State became what it is.
	Since time.Time
	// AsOf is how fresh reads are: each of the member's synced caches shows
	// the member as it was at this time or later. Servers confirm that
	// nothing happened about once a minute, so it lags by up to that long
	// also while live. Zero before anything was synced.
	AsOf time.Time
	// LastError is the newest failure; it stays when the member recovers.
	LastError string
	// ClusterUID is the member's identity, empty until it is known.
	ClusterUID string
	// Labels are what selects the member, as Fleet.SetLabels said. They are
	// shared: do not change them.
	Labels map[string]string
}

// Age is how old the answers of reads may be, zero if nothing was synced.
func (s Status) Age() time.Duration {
	if s.AsOf.IsZero() {
		return 0
	}
	return time.Since(s.AsOf)
}

// same tells whether two statuses differ in nothing that is told of.
func (s Status) same(o Status) bool {
	return s.State == o.State && s.Reason == o.Reason && s.ClusterUID == o.ClusterUID && maps.Equal(s.Labels, o.Labels)
}

// derive makes a status from the connection and the informers, the times of
// which are left out.
func derive(cluster string, link member.Link, all []snapshot) Status {
	s := Status{Cluster: cluster, LastError: link.LastError}
	if link.Session != nil {
		s.ClusterUID = link.Session.UID
	}
	synced := 0
	var broken, late, waiting string
	for _, i := range all {
		if i.problem != "" {
			s.LastError = i.name + ": " + i.problem
		}
		switch {
		case i.synced && i.problem == "" && i.open:
			synced++
		case i.synced:
			synced++
			broken = i.name + " is being opened again"
			if i.problem != "" {
				broken = i.name + ": " + i.problem
			}
		case i.late:
			late = i.name + " is not synced in time"
			if i.problem != "" {
				late = i.name + ": " + i.problem
			}
		case i.problem != "":
			waiting = i.name + ": " + i.problem
		default:
			if waiting == "" {
				waiting = i.name
			}
		}
	}
	switch link.State {
	case member.Gone:
		s.State, s.Reason = Gone, link.Reason
	case member.Waiting, member.Paused, member.BackingOff:
		s.State, s.Reason = BackingOff, link.Reason
	case member.Connecting:
		s.State, s.Reason = Connecting, link.Reason
		if synced > 0 {
			s.State = Stale
		}
	case member.Stale:
		s.State, s.Reason = Stale, link.Reason
	default:
		switch {
		case late != "":
			s.State, s.Reason = BackingOff, late
		case synced < len(all):
			s.State, s.Reason = Syncing, waiting
		case broken != "":
			s.State, s.Reason = Stale, broken
		default:
			s.State = Live
		}
	}
	return s
}
