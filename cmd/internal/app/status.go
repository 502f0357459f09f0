package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// status is what /clusters answers.
type status struct {
	Election *electionStatus `json:"election,omitempty"` // with --leader-elect; all that follows is the leader's
	Config   *configStatus   `json:"config,omitempty"`   // with --config
	Clusters []clusterStatus `json:"clusters"`
	Problems []problemStatus `json:"problems"` // descriptions of clusters that cannot be used, or are of one cluster
	Sinks    []sinkStatus    `json:"sinks"`
	Ledger   ledgerStatus    `json:"ledger"`
}

type clusterStatus struct {
	Name          string         `json:"name"`
	Source        string         `json:"source"` // where it is described
	State         member.State   `json:"state"`
	Reason        string         `json:"reason,omitempty"`
	Since         time.Time      `json:"since"`
	LastError     string         `json:"lastError,omitempty"`
	LastErrorAt   time.Time      `json:"lastErrorAt,omitzero"`
	Attempt       int            `json:"attempt"`
	NextRetry     time.Time      `json:"nextRetry,omitzero"`
	UID           string         `json:"uid,omitempty"`    // or a digest, where it cannot be read
	SameAs        []string       `json:"sameAs,omitempty"` // other members that are the same cluster
	ServerVersion string         `json:"serverVersion,omitempty"`
	Lane          laneStatus     `json:"lane"`   // of all routes together
	Counts        laneCounts     `json:"counts"` // likewise
	Routes        []routeStatus  `json:"routes"`
	Ledger        inLedger       `json:"ledger"`
	Streams       []streamStatus `json:"streams"`
	// Survey tells what wildcards stand for in the cluster, and which resources they leave
	// out; absent without wildcards.
	Survey *sources.SurveyStatus `json:"survey,omitempty"`
}

// routeStatus is what waits of a cluster for one sink. How far each stream of the
// cluster has come for it, the streams tell.
type routeStatus struct {
	Route  string     `json:"route"`
	InStep bool       `json:"inStep"` // in all streams
	Lane   laneStatus `json:"lane"`
	Counts laneCounts `json:"counts"`
}

// inLedger is what a cluster takes in the ledger, and may take; 0 is no bound. It is
// not healthy while the ledger's store does not take what there is of the cluster.
type inLedger struct {
	Objects    int       `json:"objects"`
	MaxObjects int       `json:"maxObjects"`
	Bytes      int64     `json:"bytes"`
	MaxBytes   int64     `json:"maxBytes"`
	Healthy    bool      `json:"healthy"`
	Since      time.Time `json:"since,omitzero"`
	LastError  string    `json:"lastError,omitempty"`
	Attempts   int       `json:"attempts"`
}

type laneStatus struct {
	Live          int   `json:"live"`
	Snapshot      int   `json:"snapshot"`
	Bytes         int64 `json:"bytes"`
	Delayed       int   `json:"delayed"`
	InFlight      int   `json:"inFlight"`
	BlockedOffers int   `json:"blockedOffers"`
}

type laneCounts struct {
	Added            uint64  `json:"added"`
	Coalesced        uint64  `json:"coalesced"`
	HandedOut        uint64  `json:"handedOut"`
	Throttled        uint64  `json:"throttled"`
	ThrottledSeconds float64 `json:"throttledSeconds"`
	BlockedSeconds   float64 `json:"blockedSeconds"`
}

type streamStatus struct {
	stream.Status
	// LastFrameAgeSeconds is how long the server has been silent; absent until
	// it has said something.
	LastFrameAgeSeconds *float64 `json:"lastFrameAgeSeconds,omitempty"`
}

type problemStatus struct {
	Source  string    `json:"source"`
	Context string    `json:"context,omitempty"`
	Cluster string    `json:"cluster,omitempty"`
	Error   string    `json:"error"`
	Since   time.Time `json:"since"`
}

// sinkStatus is not healthy while the sink fails as a whole, or anything that it
// has refused waits for another try.
type sinkStatus struct {
	Name string `json:"name"`
	batch.Status
	Refused []stage.Refused `json:"refused,omitempty"` // and tried again, by cluster
}

type ledgerStatus struct {
	Path string `json:"path"` // its identity: what messages call it
	ledger.Status
}

// status tells where everything stands at now.
func (p *program) status(now time.Time) status {
	s := status{Election: p.electionStatus(), Clusters: []clusterStatus{}, Problems: []problemStatus{}, Sinks: []sinkStatus{}}
	s.Ledger = ledgerStatus{p.settings.store.Identity, ledger.Status{Healthy: true}}
	if s.Config = p.reloader.status(); s.Config != nil {
		if since := p.changing.Load(); since != nil {
			s.Config.ChangingSince = *since
		}
	}
	engine := p.current()
	if engine == nil {
		return s
	}
	lanes, byRoute := engine.routes.lanes()
	inLedgers := map[string]inLedger{}
	for _, k := range p.ledger.Clusters() {
		inLedgers[k.Cluster] = inLedger{
			k.Usage.Objects, k.Quota.Objects, k.Usage.Bytes, k.Quota.Bytes, k.Healthy, k.Since, k.LastError, k.Attempts,
		}
	}
	members := engine.sources.Status()
	for _, m := range members {
		c, l := m.Connection, lanes[m.Connection.Cluster]
		cs := clusterStatus{
			Name: c.Cluster, Source: m.Source,
			State: c.State, Reason: c.Reason, Since: c.Since, LastError: c.LastError, LastErrorAt: c.LastErrorAt,
			Attempt: c.Attempt, NextRetry: c.NextRetry, UID: c.ClusterUID, SameAs: m.SameAs, ServerVersion: c.ServerVersion,
			Lane: laneStatusOf(l), Counts: laneCountsOf(l),
		}
		for _, r := range engine.routes {
			l := byRoute[c.Cluster][r.name]
			cs.Routes = append(cs.Routes, routeStatus{r.name, isInStep(m.Streams, r.name), laneStatusOf(l), laneCountsOf(l)})
		}
		cs.Ledger, cs.Survey = inLedgers[c.Cluster], m.Survey
		for _, st := range m.Streams {
			ss := streamStatus{Status: st}
			if !st.LastFrame.IsZero() {
				ss.LastFrameAgeSeconds = new(now.Sub(st.LastFrame).Seconds())
			}
			cs.Streams = append(cs.Streams, ss)
		}
		s.Clusters = append(s.Clusters, cs)
	}
	for _, f := range p.fleet.Problems() {
		s.Problems = append(s.Problems, problemStatus{f.Source, f.Context, f.Cluster, f.Err.Error(), f.Since})
	}
	s.Problems = append(s.Problems, sameClusters(members)...)
	for _, k := range engine.routes {
		of := sinkStatus{k.name, k.batcher.Status(), k.stage.Refused()}
		of.Healthy = of.Healthy && len(of.Refused) == 0
		s.Sinks = append(s.Sinks, of)
	}
	if l, ok := p.ledger.Status(); ok {
		s.Ledger.Status = l
	}
	return s
}

func laneStatusOf(l queue.LaneStats) laneStatus {
	return laneStatus{
		Live: l.Live, Snapshot: l.Snapshot, Bytes: l.Bytes,
		Delayed: l.Delayed, InFlight: l.InFlight, BlockedOffers: l.BlockedOffers,
	}
}

func laneCountsOf(l queue.LaneStats) laneCounts {
	return laneCounts{
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
func sameClusters(members []sources.MemberStatus) (problems []problemStatus) {
	for _, m := range members {
		if len(m.SameAs) == 0 {
			continue
		}
		problems = append(problems, problemStatus{
			Source: m.Source, Cluster: m.Connection.Cluster, Since: m.SameSince,
			Error: fmt.Sprintf("is the same cluster as %s: what both follow is delivered under both names", strings.Join(m.SameAs, ", ")),
		})
	}
	return problems
}
