package page

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// lagPoints is over how many points the overview has its lag: five minutes.
const lagPoints = 30

func (p *Page) overview(s *snapshot, _ *http.Request) answer {
	o := api.Overview{At: s.at, Version: p.opts.Version, Election: s.status.Election, Lights: lightsOf(s), Totals: p.totals(s), Paused: s.status.Paused, Limits: s.status.Limits}
	causes := s.causes()
	o.Causes, o.MoreCauses = causes.shown, causes.more
	o.NotDelivering = notDelivering(&s.status)
	return answer{code: http.StatusOK, title: "Overview", template: "overview", json: o, data: statesOf(o.Totals), command: "kubectl fairlead status", refresh: true}
}

// notDelivering is why a process tells of nothing that is wrong, though something may be;
// empty: it delivers.
func notDelivering(s *api.Status) string {
	switch {
	case s.Election.Following() != "":
		return "This process " + s.Election.Following() + ", and knows of no trouble of the clusters and sinks: the leader does."
	case s.Config != nil && !s.Config.ChangingSince.IsZero():
		return "The settings change, and nothing is delivered meanwhile."
	case len(s.Sinks) == 0:
		return "Nothing is delivered yet."
	}
	return ""
}

// lightsOf says of each thing that must be well how it is.
func lightsOf(s *snapshot) []api.Light {
	lights := []api.Light{}
	if e := s.status.Election; e != nil {
		l := api.Light{Kind: "election", Name: cmp.Or(e.Leader, "no leader is known"), Level: ok, Text: "this process leads"}
		switch {
		case e.Refused != "":
			l.Level, l.Text = bad, e.Refused
		case e.WaitsFor != "":
			l.Level, l.Text = busy, "leads, and waits for the process that led before to let go of "+e.WaitsFor
		case !e.UnrenewedSince.IsZero():
			l.Level, l.Text = bad, "leads, and the lock "+e.Unrenewed(s.at)
		case e.Following() != "":
			l.Text = e.Following()
			if e.Leader == "" || e.LastError != "" {
				l.Level = bad
			}
		}
		lights = append(lights, l)
	}
	if c := s.status.Config; c != nil {
		l := api.Light{Kind: "settings", Name: c.File, Level: ok, Text: "in effect", Since: c.Applied}
		switch {
		case !c.ChangingSince.IsZero():
			l.Level, l.Text, l.Since = busy, "the settings change; nothing is delivered meanwhile", c.ChangingSince
		case c.Error != "":
			l.Level, l.Text = warn, c.Error
		case len(c.NeedsRestart) > 0:
			l.Level, l.Text = warn, "some values need a restart"
		}
		lights = append(lights, l)
	}
	if s.status.Election.Following() == "" && len(s.status.Sinks) > 0 { // else it is not open
		l := s.status.Ledger
		light := api.Light{Kind: "ledger", Name: l.Path, Level: ok, Text: "can be written", Since: l.Since, NextRetry: l.NextRetry}
		if !l.Healthy {
			light.Level, light.Text = bad, redact.Line(l.LastError, mostText)
		}
		lights = append(lights, light)
	}
	for i := range s.status.Sinks {
		k := &s.status.Sinks[i]
		l := api.Light{Kind: "route", Name: k.Name, Level: ok, Text: "the sink accepts", Since: k.Since, NextRetry: k.NextRetry}
		switch {
		case !k.Healthy && k.LastError != "":
			l.Level, l.Text = bad, redact.Line(k.LastError, mostText)
		case len(k.Refused) > 0:
			l.Level, l.Text, l.Since = warn, "the sink refuses changes of "+things(len(k.Refused), "clusters"), time.Time{}
			for _, r := range k.Refused {
				l.Since = oldest(l.Since, r.Since)
			}
		}
		for _, of := range s.status.Paused {
			if of.Route == k.Name && l.Level == ok {
				l.Level, l.Text, l.Since = busy, "paused by an operator", of.Since
			}
		}
		lights = append(lights, l)
	}
	return lights
}

// totals sums up over all clusters.
func (p *Page) totals(s *snapshot) api.Totals {
	t := api.Totals{Clusters: len(s.status.Clusters), States: map[string]int{}}
	rate, known := 0., false
	for _, r := range s.rows() {
		t.States[string(r.State)]++
		t.Streams += r.Streams
		t.LiveStreams += r.LiveStreams
		t.Waiting += r.Waiting
		if r.DeliveriesPerSecond != nil {
			rate, known = rate+*r.DeliveriesPerSecond, true
		}
	}
	t.Live = t.States[string(member.Live)]
	for i := range s.status.Clusters {
		for j := range s.status.Clusters[i].Streams {
			st := &s.status.Clusters[i].Streams[j]
			t.AuditDifferences += st.AuditDifferences
			t.OldestUnacked = oldest(t.OldestUnacked, st.OldestUnacked)
		}
	}
	var lag [buckets]uint64
	accepted, passed := uint64(0), time.Duration(0)
	for i := range s.status.Sinks {
		for _, r := range s.status.Sinks[i].Refused {
			t.Refused += r.Changes
		}
		c := p.keeper.deliveries(s.status.Sinks[i].Name, lagPoints)
		for j, n := range c.lag {
			lag[j] += n
		}
		recent := p.keeper.deliveries(s.status.Sinks[i].Name, 2) // ten to twenty seconds
		accepted, passed = accepted+recent.accepted, max(passed, recent.passed)
	}
	switch {
	case passed > time.Second:
		t.DeliveriesPerSecond = new(float64(accepted) / passed.Seconds())
	case known:
		t.DeliveriesPerSecond = new(rate)
	}
	if q := quantiles(lag); q != nil {
		t.LagP99Seconds = new(q.P99)
	}
	if p.opts.DeadLetters != nil {
		t.DeadLetters = new(p.opts.DeadLetters())
	}
	return t
}

// statesOf are the states of clusters, with the number of each, the most first.
func statesOf(t api.Totals) []state {
	var all []state
	for name, n := range t.States {
		all = append(all, state{name, levelOf(member.State(name)), n})
	}
	slices.SortFunc(all, func(a, b state) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return all
}

type state struct {
	Name, Level string
	Count       int
}
