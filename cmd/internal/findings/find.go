package findings

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// Input is all that findings are made of.
type Input struct {
	Now    time.Time
	Status api.Status
	// Before is a status from Window before; nil: there is none, and nothing is said of rates.
	Before *api.Status
	Window time.Duration
	Probes Probes
	// CutShort is why not all was asked; empty: it was.
	CutShort string
}

// Probes are what was asked beside the status. What was not is absent.
type Probes struct {
	Members     []api.MemberProbe
	Sinks       []api.SinkProbe
	Audits      []api.Audit
	DeadLetters []api.DeadLetters
	Volume      *api.Volume
	Lock        *api.Lock
	Unkept      []string // resources that are watched, and of which no sink keeps anything
}

// Of returns what is not as it should be, the worst first: none in a healthy fleet. The
// order of what is equally bad is that of codes, clusters, resources and routes.
func Of(in Input) []api.Finding {
	f := &finder{Input: in, probes: map[string]*api.MemberProbe{}, before: map[string]*api.Cluster{}, all: []api.Finding{}}
	for i := range in.Probes.Members {
		f.probes[in.Probes.Members[i].Cluster] = &in.Probes.Members[i]
	}
	if in.Before != nil {
		for i := range in.Before.Clusters {
			f.before[in.Before.Clusters[i].Name] = &in.Before.Clusters[i]
		}
	}
	f.election()
	f.config()
	if f.CutShort != "" {
		f.add("FL1701", api.Finding{}, because("Not everything was asked", f.CutShort))
	}
	if in.Status.Election.Following() == "" {
		f.ledger()
		f.pauses()
		f.limits()
		f.sinks()
		f.clusters()
		f.audits()
	}
	slices.SortStableFunc(f.all, func(a, b api.Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Cluster, b.Cluster),
			cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Route, b.Route))
	})
	return f.all
}

// Worst returns the highest severity among findings; empty: there are none.
func Worst(all []api.Finding) (worst api.Severity) {
	for _, one := range all {
		if worst == "" || rank(one.Severity) < rank(worst) {
			worst = one.Severity
		}
	}
	return worst
}

func rank(s api.Severity) int {
	return slices.Index([]api.Severity{api.SeverityError, api.SeverityWarning, api.SeverityInfo}, s)
}

// finder gathers findings.
type finder struct {
	Input
	probes map[string]*api.MemberProbe // by cluster
	before map[string]*api.Cluster     // of the status before, by name
	all    []api.Finding
}

// mostCause bounds a cause, in bytes: texts of others are part of it.
const mostCause = 600

// add adds a finding of a code, whose cause is given.
func (f *finder) add(code string, about api.Finding, cause string) {
	of := byCode[code]
	about.Code, about.Page = code, pageOfCodes+"#"+strings.ToLower(code)
	about.Severity = cmp.Or(about.Severity, of.Severity)
	about.Cause, about.Do = redact.Line(cause, mostCause), cmp.Or(about.Do, of.Do)
	f.all = append(f.all, about)
}

// has reports whether there is a finding worse than info for which is returns true.
func (f *finder) has(is func(api.Finding) bool) bool {
	return slices.ContainsFunc(f.all, func(one api.Finding) bool { return one.Severity != api.SeverityInfo && is(one) })
}

// longer reports whether something has been so for longer than a time.
func (f *finder) longer(since time.Time, than time.Duration) bool {
	return !since.IsZero() && f.Now.Sub(since) > than
}

// age is how long something has been so, for a text.
func (f *finder) age(since time.Time) string {
	return max(f.Now.Sub(since), 0).Round(time.Second).String()
}

// last says when something has happened last, for a text; empty: that is not known.
func (f *finder) last(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", the last one " + f.age(at) + " ago"
}

// because appends what a server has said.
func because(what, said string) string {
	if said == "" {
		return what + "."
	}
	return what + ": " + said
}

// Do is the first thing to do about a code; empty if there is no such code.
func Do(code string) string {
	if of := byCode[code]; of != nil {
		return of.Do
	}
	return ""
}
