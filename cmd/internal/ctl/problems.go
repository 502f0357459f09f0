package ctl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// problemsOf returns what is wrong with the program apart from clusters that are not live,
// a line each. It is about all clusters, whichever were asked for.
func problemsOf(s *api.Status, now time.Time) (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, Visible(fmt.Sprintf(format, args...))) }
	if e := s.Election; e != nil {
		switch {
		case e.Refused != "":
			add("election: the ledger refuses %s: %s", e.Identity, e.Refused)
		case e.WaitsFor != "":
			add("election: %s leads, and waits for the process that led before to let go of %s", e.Identity, e.WaitsFor)
		case e.Role != "leader":
			add("election: %s", e.Following())
		case !e.UnrenewedSince.IsZero():
			add("election: the lock %s %s: %s", e.Lock, e.Unrenewed(now), cmp.Or(e.LastError, "no answer yet"))
		case e.LastError != "":
			add("election: the lock %s: %s", e.Lock, e.LastError)
		}
	}
	if s.NotReady != "" {
		add("program: %s", s.NotReady)
	}
	if c := s.Config; c != nil {
		if c.Error != "" {
			add("configuration %s: not in effect: %s", c.File, c.Error)
		}
		if len(c.NeedsRestart) > 0 {
			add("configuration %s: a restart is needed for %s", c.File, strings.Join(c.NeedsRestart, ", "))
		}
		if !c.ChangingSince.IsZero() {
			add("configuration %s: settings have been changing for %s, and nothing is delivered meanwhile", c.File, ago(c.ChangingSince, now))
		}
	}
	for _, p := range s.Paused {
		add("paused: %s for %s, %s", p.Target, ago(p.Since, now), p.Said())
	}
	for i := range s.Limits {
		if l := &s.Limits[i]; l.Rate() > 0 {
			add("limited: %s to %v per second for %s, %s", l.Target, l.Rate(), ago(l.Since, now), l.Said())
		}
	}
	if l := s.Ledger; !l.Healthy {
		add("ledger %s for %s%s: %s", spec.Before(l.Path), ago(l.Since, now), tries(l.Attempts, l.NextRetry, now), l.LastError)
	}
	for _, k := range s.Sinks {
		if k.LastError != "" || !k.Healthy && len(k.Refused) == 0 {
			add("sink %s for %s%s: %s", spec.Before(k.Name), ago(k.Since, now), tries(k.Attempts, k.NextRetry, now), k.LastError)
		}
		for _, r := range k.Refused {
			add("sink %s refuses %d changes of %s for %s: %s", spec.Before(k.Name), r.Changes, r.Cluster, ago(r.Since, now), r.Reason)
		}
	}
	for _, f := range filterErrors(s, now) {
		add("sink %s expressions could not be evaluated on %d states, which are delivered all the same; in %s: %s", spec.Before(f.route), f.count, f.cluster, f.last)
	}
	for _, p := range s.Problems {
		of := p.Source
		if p.Context != "" {
			of += ", context " + p.Context
		}
		if p.Cluster != "" {
			of += ", cluster " + p.Cluster
		}
		add("description %s: for %s: %s", of, ago(p.Since, now), p.Error)
	}
	return lines
}

// filterError sums up what could lately not be evaluated for a sink, with one of the errors.
type filterError struct {
	route, cluster, last string
	count                uint64
}

func filterErrors(s *api.Status, now time.Time) (all []filterError) {
	for i := range s.Clusters {
		for _, st := range s.Clusters[i].Streams {
			for j := range st.Routes {
				r := &st.Routes[j]
				if !api.FilterFails(r, now) {
					continue
				}
				at := slices.IndexFunc(all, func(f filterError) bool { return f.route == r.Route })
				if at < 0 {
					at = len(all)
					all = append(all, filterError{r.Route, s.Clusters[i].Name, r.LastFilterError, 0})
				}
				all[at].count += r.FilterErrors
			}
		}
	}
	return all
}

// tries says how often something has failed, and when it is tried again.
func tries(n int, next, now time.Time) string {
	if n == 0 {
		return ""
	}
	said := fmt.Sprintf(", %d attempts", n)
	if !next.IsZero() {
		said += ", the next one in " + short(next.Sub(now))
	}
	return said
}

// summary is the last line: how many clusters are live, what waits, who leads.
func summary(s *api.Status, clusters []api.Cluster, problems int, now time.Time) string {
	var live, waiting int
	var oldest time.Time
	for i := range clusters {
		if isWell(&clusters[i]) {
			live++
		}
		waiting += waitingOf(clusters[i].Lane) + clusters[i].Lane.InFlight
		oldest = earlier(oldest, oldestOf(&clusters[i]))
	}
	said := fmt.Sprintf("%d of %d clusters are live", live, len(clusters))
	if waiting > 0 {
		said += fmt.Sprintf("; %d changes wait or are being delivered", waiting)
	}
	if !oldest.IsZero() {
		said += ", the oldest one for " + ago(oldest, now)
	}
	switch problems {
	case 0:
	case 1:
		said += "; 1 more problem"
	default:
		said += fmt.Sprintf("; %d more problems", problems)
	}
	if s.Election != nil && s.Election.Leader != "" {
		said += "; " + s.Election.Leader + " leads"
	}
	return Visible(said)
}
