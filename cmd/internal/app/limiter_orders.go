package app

import (
	"slices"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// order puts the limits that an operator has told into effect; those of streams are not among
// what it sees to.
func (l *limiter) order(o api.LimitsOrder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders[o.Target] = o
	l.orderedLocked(o.Target)
}

// forgetOrder goes back to the limits that are declared.
func (l *limiter) forgetOrder(of api.Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.orders, of)
	l.orderedLocked(of)
}

// orderedLocked has the routes keep to what is ordered of a target, or is no more.
func (l *limiter) orderedLocked(of api.Target) {
	if of.IsCluster() {
		l.limitLocked(of.Cluster)
		return
	}
	for _, r := range l.routes {
		if r.name == of.Route {
			r.queue.SetTotalLimit(over(l.orders[of], clusterLimit{}).limit)
		}
	}
}

// over returns limits with what an operator has told in the place of what is declared.
func over(o api.LimitsOrder, own clusterLimit) clusterLimit {
	if o.QPS != nil {
		own.limit.QPS = *o.QPS
	}
	if o.Burst != nil {
		own.limit.Burst = *o.Burst
	}
	if o.Weight != nil {
		own.weight = *o.Weight
	}
	return own
}

// describe tells of the limits of a target.
func (l *limiter) describe(of api.Target) (all api.Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of.IsCluster() {
		all = l.describeClusterLocked(of.Cluster)
	} else {
		effective := over(l.orders[of], clusterLimit{}).limit
		all.QPS = api.Limit{DeclaredBy: "nothing", Effective: effective.QPS}
		all.Burst = api.Limit{DeclaredBy: "nothing", Effective: float64(effective.Burst)}
	}
	all.Target = of
	if o, is := l.orders[of]; is {
		all.Order = &o
	}
	return all
}

func (l *limiter) describeClusterLocked(cluster string) api.Limits {
	flags, asked := l.ofFlagsLocked(cluster), l.asked[cluster]
	declared := flags
	declared.limit.QPS, declared.limit.Burst, declared.weight = asked.Over(flags.limit.QPS, flags.limit.Burst, flags.weight)
	effective := over(l.orders[api.Target{Cluster: cluster}], declared)
	by := "flags"
	if slices.ContainsFunc(l.flags.each, func(c clusterLimit) bool { return c.cluster == cluster }) {
		by = "--cluster-limit"
	}
	limit := func(isAsked bool, declared, effective float64) api.Limit {
		l := api.Limit{Declared: declared, DeclaredBy: by, Effective: effective}
		if isAsked {
			l.DeclaredBy = "description"
		}
		return l
	}
	return api.Limits{
		QPS:    limit(asked.QPS != nil, declared.limit.QPS, effective.limit.QPS),
		Burst:  limit(asked.Burst != nil, float64(declared.limit.Burst), float64(effective.limit.Burst)),
		Weight: limit(asked.Weight != nil, float64(declared.weight), float64(effective.weight)),
	}
}
