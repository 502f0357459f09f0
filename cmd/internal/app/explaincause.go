package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
	"github.com/fairlead-dev/fairlead/cmd/internal/probe"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources"
)

// probeWithin is how long an explanation waits for what a member says about itself.
const probeWithin = 4 * time.Second

// askAbout returns what a member says about itself: its clock, its version, its credentials.
// Unless it has been asked within seconds it is asked now, see probe.Shared. When ctx ends
// before it has answered, there is what is known without asking. The member may be unknown.
func (p *program) askAbout(ctx context.Context, e *engine, cluster string) api.MemberProbe {
	q := p.questionOf(e, cluster)
	if q.Session == nil { // what is found without asking is not kept: the cluster can be asked soon
		return probe.About(ctx, q)
	}
	answer, ok := p.probes.Ask(ctx, cluster, func(ctx context.Context) api.MemberProbe { return probe.About(ctx, q) })
	if ok {
		return answer
	}
	q.Session = nil
	known := probe.About(ctx, q)
	known.Error = answer.Error
	return known
}

// endProbes ends the questions that are under way.
func (p *program) endProbes() {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if !p.probes.Close(ctx) {
		p.log.Info("Goes on although questions to clusters have not ended in time")
	}
}

// questionOf is what a member is asked about itself. Nothing is sent to one that is not
// connected, or in doubt.
func (p *program) questionOf(e *engine, cluster string) probe.Question {
	q := probe.Question{Cluster: cluster}
	if m, ok := p.members.of(cluster); ok {
		q.REST = m.REST
	}
	if link, ok := e.sources.Link(cluster); ok && !link.Suspect {
		q.Session = link.Session
	}
	return q
}

// causes adds the findings that bear on an object, and to each verdict the one that is its
// cause. There is one table of what can be found, that of package findings, and one of which
// findings are the cause of a reason, which is api.Reasons.
func (p *program) causes(e *engine, x *api.Explanation, found *sources.Looked, asked *api.MemberProbe) {
	now := time.Now()
	all := findings.Of(findings.Input{Now: now, Status: p.statusAbout(e, x, found), Probes: findings.Probes{Members: []api.MemberProbe{*asked}}})
	followed := found.Stream.Stream != ""
	empty := len(p.members.names()) == 0 // else the status is that of no cluster, and there are some
	all = slices.DeleteFunc(all, func(one api.Finding) bool {
		return !bearsOn(x, &one, followed) || one.Code == "FL1015" && !empty
	})
	for i := range x.Routes {
		v := &x.Routes[i]
		help := api.HelpOf(v.Reason)
		v.Code = help.Code
		if cause := help.CauseAmong(all, v.Route); cause != nil {
			v.Code = cause.Code
		}
		if passing(v, now) {
			v.Code = ""
		}
		v.Do = findings.Do(v.Code)
	}
	for _, one := range all {
		named := func(v api.Verdict) bool { return v.Code == one.Code && (one.Route == "" || one.Route == v.Route) }
		if general(&one) || slices.ContainsFunc(x.Routes, named) {
			x.Findings = append(x.Findings, one)
		}
	}
}

// passing reports whether a change waits for its cluster's limit, or for room in its lane, no
// longer than fairlead check looks at both: for so long any burst has it wait.
func passing(v *api.Verdict, now time.Time) bool {
	return (v.Reason == api.ReasonThrottled || v.Reason == api.ReasonLaneFull) && now.Sub(v.Since) < checkWindow
}

// statusAbout is the part of the status that bears on one object. That of all clusters takes
// too long to make where anybody may ask.
func (p *program) statusAbout(e *engine, x *api.Explanation, found *sources.Looked) api.Status {
	s := api.Status{Election: p.electionStatus(), Paused: p.orders.paused(), Limits: p.orders.limitOrders(), Ledger: api.Ledger{Path: p.settings.store.Identity, Status: ledger.Status{Healthy: true}}}
	if l, ok := p.ledger.Status(); ok {
		s.Ledger.Status = l
	}
	unknown := found.Connection.Cluster == "" // what is wrong with a whole source may be why
	for _, f := range p.fleet.Problems() {
		if f.Cluster == x.Cluster || unknown && f.Cluster == "" {
			s.Problems = append(s.Problems, api.Problem{Source: f.Source, Context: f.Context, Cluster: f.Cluster, Error: f.Err.Error(), Since: f.Since})
		}
	}
	c := p.clusterStatus(&found.Connection, found.Source)
	c.SameAs = found.SameAs
	for _, k := range p.ledger.Clusters() {
		if k.Cluster == x.Cluster {
			c.Ledger = inLedgerOf(&k)
		}
	}
	for _, r := range e.routes {
		s.Sinks = append(s.Sinks, r.status())
		if l, ok := r.queue.Lane(x.Cluster); ok {
			c.Routes = append(c.Routes, api.Route{Route: r.name, Lane: laneStatusOf(&l), Counts: laneCountsOf(&l)})
		}
	}
	if c.Survey = found.Survey; found.Stream.Stream != "" {
		c.Streams = []api.Stream{{Status: found.Stream}}
	}
	if c.Name != "" { // else there is no such cluster
		s.Clusters = []api.Cluster{c}
	}
	return s
}

// bearsOn reports whether a finding is about the object's cluster and resource, or about
// none. What wildcards stand for matters only while no stream follows the resource.
func bearsOn(x *api.Explanation, one *api.Finding, followed bool) bool {
	return (one.Cluster == "" || one.Cluster == x.Cluster) &&
		(one.Resource == "" || one.Resource == x.Resource || !followed && strings.Contains(one.Resource, "*"))
}

// general reports whether a finding is told of any object that it bears on: it is about the
// cluster, the resource, the ledger or the election. The others are told where a verdict
// names them: a sink that refuses something may have taken this.
func general(one *api.Finding) bool {
	return strings.HasPrefix(one.Code, "FL10") || strings.HasPrefix(one.Code, "FL11") || one.Code == "FL1401" || strings.HasPrefix(one.Code, "FL15")
}

// whyNotHere says why a process that does not deliver cannot explain anything, with the code
// of the cause. why is what it does instead.
func whyNotHere(election *api.Election, why, instead string) string {
	text := "nothing is delivered from here (" + why + "); " + instead
	for _, one := range findings.Of(findings.Input{Now: time.Now(), Status: api.Status{Election: election, Ledger: api.Ledger{Status: ledger.Status{Healthy: true}}}}) {
		if strings.HasPrefix(one.Code, "FL15") {
			return text + ". " + one.Code + ": " + one.Cause + " " + one.Do
		}
	}
	return text
}
