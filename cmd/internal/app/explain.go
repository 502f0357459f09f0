package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Bounds of the explanations for each port and for the status page: each asks a member, and
// may hold an object of 4 MiB. Anybody may reach the health port, and members are not to be
// flooded; who asks at the admin address does not wait for those, and one member that hangs
// keeps none from asking about another.
const (
	mostExplained = 4  // under way at once
	mostOfOne     = 2  // of these, of one cluster
	explainRate   = 10 // per second, and twice as many at once
)

// explainTurns keeps these bounds.
type explainTurns struct {
	rate *rate.Limiter

	mu  sync.Mutex
	all int
	of  map[string]int // by cluster
}

func newExplainTurns() *explainTurns {
	return &explainTurns{rate: rate.NewLimiter(explainRate, 2*explainRate), of: map[string]int{}}
}

// begin begins an explanation, unless there are enough. end is to be called once it is over.
func (t *explainTurns) begin(cluster string) (end func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all >= mostExplained || t.of[cluster] >= mostOfOne || !t.rate.Allow() {
		return nil, false
	}
	t.all++
	t.of[cluster]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.all--
		if t.of[cluster]--; t.of[cluster] == 0 {
			delete(t.of, cluster)
		}
	}, true
}

// explainer returns what explains within turns of its own.
func (p *program) explainer() func(*http.Request) (code int, answer any) {
	turns := newExplainTurns()
	return func(r *http.Request) (int, any) { return p.explain(r, turns) }
}

// serveExplain answers /explain?cluster=&resource=&namespace=&name=: why the newest state of
// an object is, or is not, where it should be. It shows nothing of the object's contents.
func (p *program) serveExplain() http.HandlerFunc {
	explain := p.explainer()
	return func(w http.ResponseWriter, r *http.Request) {
		code, answer := explain(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(answer); err != nil {
			p.log.V(1).Info("Could not answer /explain", "reason", err.Error())
		}
	}
}

func (p *program) explain(r *http.Request, turns *explainTurns) (code int, answer any) {
	q, err := parameters(r, "cluster", "resource", "namespace", "name")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	for _, needed := range []string{"cluster", "resource", "name"} {
		if q.Get(needed) == "" {
			return http.StatusBadRequest, api.Error{Error: fmt.Sprintf("which %s? Give ?cluster=&resource=&name=, and &namespace= for what has one", needed)}
		}
	}
	if err := errors.Join(checkSegment("namespace", q.Get("namespace")), checkSegment("name", q.Get("name"))); err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	if election := p.electionStatus(); election.Following() != "" {
		return http.StatusServiceUnavailable, api.Error{
			Error:  whyNotHere(election, election.Following(), election.AskLeader()),
			Leader: &api.Leader{Identity: election.Leader, Host: election.LeaderHost, Address: election.LeaderAddress},
		}
	}
	end, ok := turns.begin(q.Get("cluster"))
	if !ok {
		return http.StatusServiceUnavailable, api.Error{
			Error: fmt.Sprintf("%d objects are explained at a time, %d of one cluster, and %d per second; ask again", mostExplained, mostOfOne, explainRate),
		}
	}
	defer end()
	e := p.current()
	if e == nil || p.changing.Load() != nil {
		return http.StatusServiceUnavailable, api.Error{Error: whyNotHere(p.electionStatus(), "delivery has not begun, or the settings are being changed", "ask again")}
	}
	cluster := q.Get("cluster")
	var about api.MemberProbe
	var asking sync.WaitGroup
	within, cancel := context.WithTimeoutCause(r.Context(), probeWithin, fmt.Errorf("it has not answered within %v", probeWithin))
	defer asking.Wait()
	defer cancel()
	asking.Go(func() { about = p.askAbout(within, e, cluster) })
	found, err := e.sources.Look(r.Context(), cluster, q.Get("resource"), q.Get("namespace"), q.Get("name"))
	if errors.Is(err, sources.ErrNoNamespace) {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	asking.Wait()
	x := &api.Explanation{Cluster: cluster, Resource: found.Resource, Namespace: found.Namespace, Name: found.Name}
	switch {
	case errors.Is(err, sources.ErrUnknownCluster), errors.Is(err, sources.ErrUnknownResource), errors.Is(err, sources.ErrNotSurveyed):
		p.notFollowed(e, x, &found, err)
		p.causes(e, x, &found, &about)
		return http.StatusOK, x
	case err != nil:
		return http.StatusInternalServerError, api.Error{Error: redact.New().Text(err)}
	}
	if found.Asked {
		x.Member = &api.InMember{Exists: found.Exists, UID: found.UID, ResourceVersion: found.ResourceVersion}
	}
	p.judge(r.Context(), e, x, &found)
	p.causes(e, x, &found, &about)
	return http.StatusOK, x
}

// notFollowed says on all routes that nobody follows the object, and what is to be done.
func (p *program) notFollowed(e *engine, x *api.Explanation, found *sources.Looked, why error) {
	message := strings.TrimPrefix(redact.New().Text(why), sources.ErrUnknownResource.Error()+": ")
	if errors.Is(why, sources.ErrUnknownCluster) {
		for _, f := range p.fleet.Problems() {
			if f.Cluster == x.Cluster {
				message = fmt.Sprintf("its description in %s cannot be used: %s", f.Source, redact.New().Text(f.Err))
			}
		}
	}
	if found.Survey != nil {
		for _, left := range found.Survey.LeftOut {
			if left.Resource == x.Resource {
				message = fmt.Sprintf("%s is left out of what wildcards stand for: %s", left.Resource, left.Reason)
			}
		}
	}
	v := api.Verdict{Reason: api.ReasonNotFollowed, Message: "It is not followed: " + stop(message) + "."}
	if errors.Is(why, sources.ErrNotSurveyed) {
		v = (&facts{now: time.Now(), found: found}).unnamed(strings.TrimPrefix(message, sources.ErrNotSurveyed.Error()+": "))
	}
	for _, r := range e.routes {
		v.Route = r.name
		x.Routes = append(x.Routes, v)
	}
}

// judge adds the verdict of each route.
func (p *program) judge(ctx context.Context, e *engine, x *api.Explanation, found *sources.Looked) {
	key := pipeline.Key{Cluster: x.Cluster, Resource: x.Resource, Namespace: x.Namespace, Name: x.Name}
	stored, isStored := p.ledger.Status()
	inStore := ledger.ClusterStatus{Healthy: true}
	for _, k := range p.ledger.Clusters() {
		if k.Cluster == x.Cluster {
			inStore = k
		}
	}
	var sinks []string
	for _, r := range e.routes {
		sinks = append(sinks, r.name)
	}
	letters := sync.OnceValue(func() map[string]deadletter.Record { return p.letters(ctx, key, sinks...) })
	for i, r := range e.routes {
		f := &facts{now: time.Now(), found: found, route: found.Routes[i], sink: r.batcher.Status(), ledger: stored, cluster: inStore}
		f.ledger.Healthy = f.ledger.Healthy || !isStored
		f.status = found.Stream.Routes[i]
		f.place, f.queued = r.queue.Find(key)
		f.lane, _ = r.queue.Lane(x.Cluster)
		f.total = r.queue.TotalWait()
		f.refusal, f.refused = r.stage.RefusalOf(key)
		buckets := r.buckets
		if f.place.Snapshot {
			buckets = r.snapshots
		}
		f.rate = buckets.Limit(x.Cluster).QPS
		f.paused = pausedFor(p.orders.paused(), r.name, key, found)
		f.ofCluster = p.orders.limited(api.Target{Cluster: key.Cluster})
		f.ofStream = p.orders.limited(api.Target{Cluster: key.Cluster, Resource: key.Resource})
		f.ofRoute = p.orders.limited(api.Target{Route: r.name})
		f.last = func() *api.Delivered { return p.recent.delivered(r.name, key) }
		if p.dead != nil {
			f.letter = func() (deadletter.Record, bool) {
				l, ok := letters()[r.name]
				return l, ok
			}
		}
		x.Routes = append(x.Routes, f.verdict())
	}
}

// pausedFor returns why nothing of an object goes on to a route, by whose will; nil: it does.
func pausedFor(pauses []api.Pause, route string, key pipeline.Key, found *sources.Looked) *pause {
	for _, of := range []struct {
		what   string
		paused api.Target
	}{
		{"the route", api.Target{Route: route}},
		{"the cluster", api.Target{Cluster: key.Cluster}},
		{"the resource of the cluster", api.Target{Cluster: key.Cluster, Resource: key.Resource}},
	} {
		for _, p := range pauses {
			if p.Target == of.paused {
				return &pause{since: p.Since, why: of.what + " has been paused " + p.Order.Said()}
			}
		}
	}
	if c := found.Connection; c.State == member.Paused {
		return &pause{since: c.Since, reading: true, why: fmt.Sprintf("the description of the cluster (%s) has the annotation fairlead.dev/paused", found.Source)}
	}
	return nil
}

// letters returns the newest dead letters of an object of some sinks, by sink: those found until
// ctx ends.
func (p *program) letters(ctx context.Context, key pipeline.Key, sinks ...string) map[string]deadletter.Record {
	last, err := p.dead.file.Last(ctx, key, sinks...)
	if err != nil {
		p.log.V(1).Info("Could not search the dead letters", "reason", err.Error())
	}
	return last
}

// delivered tells of the newest state of an object that was settled for a route; nil: it is
// not remembered.
func (r *recent) delivered(route string, key pipeline.Key) *api.Delivered {
	a, ok := r.last(route, key)
	if !ok {
		return nil
	}
	d := &api.Delivered{ID: a.id(), Op: a.op.String(), ResourceVersion: a.version, At: a.at, DeadLettered: a.dead}
	if !a.observed.IsZero() {
		d.LagSeconds = a.at.Sub(a.observed).Seconds()
	}
	return d
}
