package app

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources"
)

// route is one sink's way through the program: a queue and a stage of its own, so
// that a sink that is slow, down or refuses things holds up no other.
type route struct {
	*sink
	queue     *stage.Queue
	stage     *stage.Stage
	memory    *budget.Share
	buckets   *ratelimit.Buckets
	snapshots *ratelimit.Buckets // of what is read from lists; nil: no limit
	rules     *selection.Rules   // of the sink
}

type routes []*route

// newRoutes makes the ways to the sinks of an engine.
func (p *program) newRoutes(e *engine) (all routes, err error) {
	s, memory := e.settings, p.newBudget(e.settings)
	e.memory = memory
	for _, k := range e.sinks {
		// The limiter gives them their limits.
		r := &route{sink: k, memory: memory.Route(), buckets: ratelimit.New(ratelimit.Limit{}), snapshots: ratelimit.New(ratelimit.Limit{})}
		if r.rules, err = p.rulesOf(s, k.spec); err != nil {
			return nil, fmt.Errorf("--sink %s %w", spec.Before(k.name), err)
		}
		r.queue = stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{
			Name:         k.name,
			LaneCapacity: s.LaneCapacity,
			LaneBytes:    int64(s.LaneBytes),
			Buckets:      r.buckets,

			SnapshotBuckets: r.snapshots,
		})
		r.memory.OnPressure(r.queue.Evict)
		// Each sink's series, told apart by its name.
		reg := prometheus.WrapRegistererWith(prometheus.Labels{"route": k.name}, e.registry)
		if r.stage, err = stage.New(stage.Options{
			Queue:       r.queue,
			Destination: k.batcher,
			Workers:     s.Workers,
			Registerer:  reg,
			Observe:     p.observers.of(k.name),
			Trace:       p.traceOf(k.name),
			Log:         p.log.WithValues("route", k.name),
		}); err != nil {
			return nil, err
		}
		if err := reg.Register(queue.NewCollector(r.queue.Lanes)); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
		if err := reg.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fairlead_sink_limited_seconds_total",
			Help: "Seconds for which the limit of the route, as fairlead limits sets it, had no token while changes waited that nobody holds. They may have waited for the limit of their cluster, too.",
		}, func() float64 { return r.queue.TotalThrottled().Seconds() })); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
		all = append(all, r)
	}
	if err := e.registry.Register(budget.NewCollector(memory.Stats, all.inWorkBytes)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return all, nil
}

// setWeight gives a cluster its share of turns and of memory.
func (r *route) setWeight(cluster string, w int) {
	r.queue.SetWeight(cluster, w)
	r.memory.SetWeight(cluster, w)
}

// sources returns the routes as the sources see them.
func (rs routes) sources() []sources.Route {
	all := make([]sources.Route, len(rs))
	for i, r := range rs {
		all[i] = sources.Route{Name: r.name, Queue: r.queue, Memory: r.memory, Rules: r.rules}
	}
	return all
}

// forget drops the series of a cluster that has left.
func (rs routes) forget(cluster string) {
	for _, r := range rs {
		r.stage.ForgetCluster(cluster)
	}
}

func (rs routes) setUp(mgr manager.Manager) error {
	for _, r := range rs {
		if err := r.stage.SetupWithManager(mgr); err != nil {
			return err
		}
	}
	return nil
}

// stop takes nothing more, and waits until what waits has been delivered or ctx
// ends. It returns how many changes are left.
func (rs routes) stop(ctx context.Context) (left int) {
	var wg sync.WaitGroup
	lefts := make([]int, len(rs))
	for i, r := range rs {
		wg.Go(func() { lefts[i] = r.queue.Stop(ctx) })
	}
	wg.Wait()
	for _, n := range lefts {
		left += n
	}
	return left
}

// lanes returns what each cluster's lanes hold: in all routes together, and in
// each. A cluster without lanes is in neither.
func (rs routes) lanes() (sums map[string]*queue.LaneStats, each map[string]map[string]*queue.LaneStats) {
	sums, each = map[string]*queue.LaneStats{}, map[string]map[string]*queue.LaneStats{}
	for _, r := range rs {
		lanes := r.queue.Lanes()
		for i := range lanes {
			l := &lanes[i]
			if each[l.Cluster] == nil {
				each[l.Cluster], sums[l.Cluster] = map[string]*queue.LaneStats{}, &queue.LaneStats{Cluster: l.Cluster}
			}
			each[l.Cluster][r.name] = l
			addLane(sums[l.Cluster], l)
		}
	}
	return sums, each
}

// addLane adds to a what /clusters shows of b.
func addLane(a, b *queue.LaneStats) {
	a.Live += b.Live
	a.Snapshot += b.Snapshot
	a.Bytes += b.Bytes
	a.Delayed += b.Delayed
	a.InFlight += b.InFlight
	a.BlockedOffers += b.BlockedOffers
	a.Added += b.Added
	a.Coalesced += b.Coalesced
	a.HandedOut += b.HandedOut
	a.Throttles += b.Throttles
	a.Throttled += b.Throttled
	a.Blocked += b.Blocked
}
