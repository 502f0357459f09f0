package app

import (
	"slices"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// parseClusters returns what --clusters and the flags beside it describe.
func (c *Config) parseClusters(kinds []fleet.Kind) ([]fleet.Provider, error) {
	o := fleet.ParseOptions{Kinds: kinds, IncludeHub: string(c.IncludeHub), HubKubeconfig: c.HubKubeconfig, AccessProviders: c.AccessProviders}
	return o.Parse(c.Clusters)
}

// loadHub says how to reach the hub, or returns nil if nothing needs it.
func (s *settings) loadHub() (*rest.Config, error) {
	if !(s.LeaderElect && (s.lock.NeedsHub || s.LeaderLabel != "")) && !fleet.NeedsHub(s.providers) {
		return nil, nil
	}
	hub, err := fleet.LoadHub(s.HubKubeconfig)
	if err != nil {
		return nil, err
	}
	hub.UserAgent = s.userAgent()
	return hub, nil
}

// limiter returns a function that puts what a cluster's description asks for over
// what the flags say, for the clusters of one queue.
func (s *settings) limiter(r *route) func(string, fleet.Limits) {
	return func(cluster string, l fleet.Limits) {
		own := clusterLimit{limit: ratelimit.Limit{QPS: s.ClusterQPS, Burst: s.ClusterBurst}, weight: 1}
		if i := slices.IndexFunc(s.limits, func(l clusterLimit) bool { return l.cluster == cluster }); i >= 0 {
			own = s.limits[i]
		}
		own.limit.QPS, own.limit.Burst, own.weight = l.Over(own.limit.QPS, own.limit.Burst, own.weight)
		if own.limit != r.buckets.Limit(cluster) {
			r.queue.SetLimit(cluster, own.limit)
		}
		if listed := (ratelimit.Limit{QPS: l.OverSnapshotQPS(s.ClusterSnapshotQPS)}); listed != r.snapshots.Limit(cluster) {
			r.queue.SetSnapshotLimit(cluster, listed)
		}
		r.setWeight(cluster, own.weight)
	}
}
