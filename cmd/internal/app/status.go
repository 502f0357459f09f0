package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// status tells where everything stands at now.
func (p *program) status(now time.Time) api.Status {
	s := api.Status{Election: p.electionStatus(), Clusters: []api.Cluster{}, Problems: []api.Problem{}, Sinks: []api.Sink{}}
	s.Ledger = api.Ledger{Path: p.settings.store.Identity, Status: ledger.Status{Healthy: true}}
	if s.Config = p.reloader.status(); s.Config != nil {
		if since := p.changing.Load(); since != nil {
			s.Config.ChangingSince = *since
		}
	}
	engine := p.current()
	if engine == nil {
		if e := s.Election; e.Following() == "" && (e == nil || e.Refused == "" && e.WaitsFor == "") && p.changing.Load() == nil {
			s.NotReady = "delivery has not begun yet"
		}
		return s
	}
	lanes, byRoute := engine.routes.lanes()
	inLedgers := map[string]api.InLedger{}
	for _, k := range p.ledger.Clusters() {
		inLedgers[k.Cluster] = inLedgerOf(&k)
	}
	s.Paused, s.Limits = p.orders.paused(), p.orders.limitOrders()
	members := engine.sources.Status()
	for _, m := range members {
		c, l := m.Connection, laneOf(lanes, m.Connection.Cluster)
		cs := p.clusterStatus(&c, m.Source)
		cs.SameAs, cs.Lane, cs.Counts = m.SameAs, laneStatusOf(l), laneCountsOf(l)
		for _, r := range engine.routes {
			l := laneOf(byRoute[c.Cluster], r.name)
			cs.Routes = append(cs.Routes, api.Route{
				Route: r.name, InStep: isInStep(m.Streams, r.name), Lane: laneStatusOf(l), Counts: laneCountsOf(l),
			})
		}
		cs.Ledger, cs.Survey = inLedgers[c.Cluster], m.Survey
		for _, st := range m.Streams {
			ss := api.Stream{Status: st}
			if !st.LastFrame.IsZero() {
				ss.LastFrameAgeSeconds = new(now.Sub(st.LastFrame).Seconds())
			}
			cs.Streams = append(cs.Streams, ss)
		}
		s.Clusters = append(s.Clusters, cs)
	}
	for _, f := range p.fleet.Sources() {
		s.Sources = append(s.Sources, api.Source(f))
	}
	for _, f := range p.fleet.Problems() {
		s.Problems = append(s.Problems, api.Problem{
			Source: f.Source, Context: f.Context, Cluster: f.Cluster, Error: f.Err.Error(), Since: f.Since,
		})
	}
	s.Problems = append(s.Problems, sameClusters(members)...)
	if len(s.Clusters) == 0 && len(s.Problems) == 0 && !p.fleet.Known() {
		s.NotReady = "no cluster is known: what describes them has not been read yet, or describes none"
	}
	for _, k := range engine.routes {
		s.Sinks = append(s.Sinks, k.status())
	}
	if l, ok := p.ledger.Status(); ok {
		s.Ledger.Status = l
	}
	return s
}

// clusterStatus is what a connection tells of its cluster.
func (p *program) clusterStatus(c *sources.ConnectionStatus, source string) api.Cluster {
	return api.Cluster{
		Name: c.Cluster, Source: source,
		State: c.State, Reason: c.Reason, Since: c.Since, LastError: c.LastError, LastErrorAt: c.LastErrorAt,
		Attempt: c.Attempt, NextRetry: c.NextRetry, UID: c.ClusterUID, ServerVersion: c.ServerVersion,
		Credential: c.Credential, CredentialIssued: c.CredentialIssued, CredentialExpires: c.CredentialExpires,
		Labels: p.members.labels(c.Cluster),
	}
}

func inLedgerOf(k *ledger.ClusterStatus) api.InLedger {
	return api.InLedger{
		Objects: k.Usage.Objects, MaxObjects: k.Quota.Objects, Bytes: k.Usage.Bytes, MaxBytes: k.Quota.Bytes,
		Healthy: k.Healthy, Since: k.Since, LastError: k.LastError, Attempts: k.Attempts,
	}
}

// status is how the sink of a route stands.
func (r *route) status() api.Sink {
	s := api.Sink{Name: r.name, Status: r.batcher.Status(), Refused: r.stage.Refused(), LimitedSeconds: r.queue.TotalThrottled().Seconds()}
	s.Healthy = s.Healthy && len(s.Refused) == 0
	return s
}

// laneOf is a lane of those given, or an empty one.
func laneOf(lanes map[string]*queue.LaneStats, name string) *queue.LaneStats {
	if l := lanes[name]; l != nil {
		return l
	}
	return &queue.LaneStats{}
}

func laneStatusOf(l *queue.LaneStats) api.Lane {
	return api.Lane{
		Live: l.Live, Snapshot: l.Snapshot, Bytes: l.Bytes,
		Delayed: l.Delayed, InFlight: l.InFlight, BlockedOffers: l.BlockedOffers,
	}
}

func laneCountsOf(l *queue.LaneStats) api.LaneCounts {
	return api.LaneCounts{
		Added: l.Added, Coalesced: l.Coalesced, HandedOut: l.HandedOut, Throttled: l.Throttles,
		ThrottledSeconds: l.Throttled.Seconds(), BlockedSeconds: l.Blocked.Seconds(),
	}
}

// isInStep reports whether a route shares the watch of every stream.
func isInStep(streams []stream.Status, route string) bool {
	for _, st := range streams {
		for _, r := range st.Routes {
			if r.Route == route && !r.InStep {
				return false
			}
		}
	}
	return true
}

// sameClusters returns a problem for each member that is a cluster which has
// another name too. It is followed nevertheless.
func sameClusters(members []sources.MemberStatus) (problems []api.Problem) {
	for _, m := range members {
		if len(m.SameAs) == 0 {
			continue
		}
		problems = append(problems, api.Problem{
			Source: m.Source, Cluster: m.Connection.Cluster, Since: m.SameSince,
			Error: fmt.Sprintf("is the same cluster as %s: what both follow is delivered under both names", strings.Join(m.SameAs, ", ")),
		})
	}
	return problems
}
