package app

import (
	"slices"
	"sync"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// clusterLimits is what the flags say of the limits of clusters.
type clusterLimits struct {
	limit    ratelimit.Limit
	snapshot ratelimit.Limit
	each     []clusterLimit // of single clusters
}

func (s *settings) clusterLimits() clusterLimits {
	return clusterLimits{
		limit:    ratelimit.Limit{QPS: s.ClusterQPS, Burst: s.ClusterBurst},
		snapshot: ratelimit.Limit{QPS: s.ClusterSnapshotQPS},
		each:     s.limits,
	}
}

// limiter gives clusters their limits in every route: what the flags say, over that
// what the clusters' descriptions ask for, and over both what operators have told the running
// program. What these say of routes it gives to the routes, and of streams it only knows that:
// see orders.limitStreamsLocked. All of it may change. Its methods may be called by any goroutine.
type limiter struct {
	mu     sync.Mutex
	flags  clusterLimits
	routes routes                  // nil until they are open
	asked  map[string]fleet.Limits // by the clusters that there are
	orders map[api.Target]api.LimitsOrder
}

func newLimiter(flags clusterLimits) *limiter {
	return &limiter{flags: flags, asked: map[string]fleet.Limits{}, orders: map[api.Target]api.LimitsOrder{}}
}

// open says which routes there are. All clusters join them anew.
func (l *limiter) open(rs routes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.routes = rs
	clear(l.asked)
	l.applyLocked(nil)
}

// limit gives a cluster its limits, with what its description asks for.
func (l *limiter) limit(cluster string, asked fleet.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[cluster] = asked
	l.limitLocked(cluster)
}

func (l *limiter) limitLocked(cluster string) {
	asked, own := l.asked[cluster], l.ofFlagsLocked(cluster)
	own.limit.QPS, own.limit.Burst, own.weight = asked.Over(own.limit.QPS, own.limit.Burst, own.weight)
	own = over(l.orders[api.Target{Cluster: cluster}], own)
	listed := ratelimit.Limit{QPS: asked.OverSnapshotQPS(l.flags.snapshot.QPS)}
	for _, r := range l.routes {
		if own.limit != r.buckets.Limit(cluster) {
			r.queue.SetLimit(cluster, own.limit)
		}
		if listed != r.snapshots.Limit(cluster) {
			r.queue.SetSnapshotLimit(cluster, listed)
		}
		r.setWeight(cluster, own.weight)
	}
}

// ofFlagsLocked returns what the flags say of a cluster.
func (l *limiter) ofFlagsLocked(cluster string) clusterLimit {
	if i := slices.IndexFunc(l.flags.each, func(c clusterLimit) bool { return c.cluster == cluster }); i >= 0 {
		return l.flags.each[i]
	}
	return clusterLimit{limit: l.flags.limit, weight: 1}
}

// forget is called when a cluster has left.
func (l *limiter) forget(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.asked, cluster)
}

// now returns what the flags say now.
func (l *limiter) now() clusterLimits {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flags
}

// change puts other flags in the place of those before, at once.
func (l *limiter) change(flags clusterLimits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.flags.each
	l.flags = flags
	l.applyLocked(before)
}

// applyLocked gives all clusters their limits, also those that are not there yet, and
// those of before, which had limits of their own.
func (l *limiter) applyLocked(before []clusterLimit) {
	for _, r := range l.routes {
		r.queue.SetDefaultLimit(l.flags.limit)
	}
	for _, c := range slices.Concat(before, l.flags.each) {
		l.limitLocked(c.cluster)
	}
	for cluster := range l.asked {
		l.limitLocked(cluster)
	}
	for of := range l.orders {
		l.orderedLocked(of)
	}
}
