package ctl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// standing is how a cluster is, in one word and one sentence: its connection if that is
// not live, else the worst of its streams.
type standing struct {
	state  member.State
	since  time.Time
	reason string // empty while all is well
	live   int    // streams
}

// worst are the states from the worst to the best.
var worst = []member.State{
	member.Waiting, member.BackingOff, member.Stale, member.Gone, member.Connecting, member.Syncing, member.Paused, member.Live,
}

func rank(s member.State) int {
	if i := slices.Index(worst, s); i >= 0 {
		return i
	}
	return 0 // of a later version
}

func standingOf(c *api.Cluster) standing {
	s := standing{state: c.State, since: c.Since}
	var of *api.Stream // the worst one
	var others int
	for i := range c.Streams {
		st := &c.Streams[i]
		if st.State == member.Live {
			s.live++
			continue
		}
		others++
		if of == nil || rank(st.State) < rank(of.State) {
			of = st
		}
	}
	switch {
	case c.State != member.Live:
		s.reason = because(c.Reason, c.LastError)
	case of != nil:
		s.state, s.since = of.State, of.Since
		s.reason = resourceOf(of)
		if others > 1 {
			s.reason += fmt.Sprintf(" and %d more", others-1)
		}
		if why := because(of.Reason, of.LastError); why != "" {
			s.reason += ": " + why
		}
	case c.Survey != nil && c.Survey.State != member.Live && c.Survey.State != "":
		s.state, s.since = c.Survey.State, c.Survey.Since
		s.reason = "wildcards"
		if why := because(c.Survey.Reason, c.Survey.LastError); why != "" {
			s.reason += ": " + why
		}
	case c.Survey != nil && c.Survey.Beyond > 0:
		s.reason = fmt.Sprintf("there is no room for %d resources that wildcards stand for", c.Survey.Beyond)
	case !c.Ledger.Healthy && c.Ledger.LastError != "":
		s.reason = "the ledger: " + c.Ledger.LastError
	}
	return s
}

// because joins why something is so and the last error. Either may be empty, or say what
// the other one says.
func because(reason, lastError string) string {
	switch {
	case reason == "" || strings.Contains(lastError, reason):
		return lastError
	case lastError == "":
		return reason
	}
	return reason + ": " + lastError
}

func resourceOf(s *api.Stream) string { return cmp.Or(s.Resource, s.Stream) }

// oldestOf returns when the oldest change was observed that a sink has not accepted; zero
// if there is none.
func oldestOf(c *api.Cluster) (oldest time.Time) {
	for _, s := range c.Streams {
		oldest = earlier(oldest, s.OldestUnacked)
	}
	return oldest
}

// earlier returns the earlier one of two moments, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func waitingOf(l api.Lane) int { return l.Live + l.Snapshot + l.Delayed }

// ago returns how long ago t was at now, as people read it; "-" of a zero one.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return short(now.Sub(t))
}

// short returns a duration with the precision that people look at: 340ms, 1.2s, 5m3s,
// 4h12m, 3d4h. One below 0, which comes of two clocks, is 0s.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d <= 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 10*time.Minute:
		return d.Round(time.Second).String()
	case d < day:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d < 10*day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
	return fmt.Sprintf("%dd", d/day)
}
