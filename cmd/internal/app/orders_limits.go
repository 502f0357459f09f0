package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// limitOrders returns what operators have told of limits, by cluster.
func (o *orders) limitOrders() []api.LimitsOrder {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.SortedFunc(maps.Values(o.limits), func(a, b api.LimitsOrder) int { return cmp.Compare(a.Cluster, b.Cluster) })
}

// limit puts other limits of a cluster into effect, over those that an order before has told
// and this one does not.
func (o *orders) limit(ctx context.Context, l api.LimitsOrder) (notStored string, err error) {
	err = func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		before, is := o.limits[l.Cluster]
		if !is && len(o.limits) >= mostOrders {
			return errManyOrders
		}
		l.QPS, l.Burst, l.Weight = cmp.Or(l.QPS, before.QPS), cmp.Or(l.Burst, before.Burst), cmp.Or(l.Weight, before.Weight)
		if err := o.keepLocked(keptLimits+l.Cluster, l); err != nil {
			return err
		}
		o.limits[l.Cluster] = l
		o.limiter.order(l)
		o.expireLocked(time.Now())
		now := o.limiter.describe(l.Cluster)
		o.log.Info("A cluster has other limits, as it was asked for", "cluster", l.Cluster,
			"qps", now.QPS.Effective, "burst", now.Burst.Effective, "weight", now.Weight.Effective, "by", l.By, "reason", l.Reason)
		return nil
	}()
	if err != nil {
		return "", err
	}
	return o.store(ctx, l.Cluster), nil
}

// resetLimits has a cluster have the limits that are declared. by is who asks for it. It reports
// whether there were others.
func (o *orders) resetLimits(ctx context.Context, cluster, by string) (was bool, notStored string) {
	was = func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		if _, is := o.limits[cluster]; !is {
			return false
		}
		_ = o.keepLocked(keptLimits+cluster, nil) // to forget fits in any case
		delete(o.limits, cluster)
		o.limiter.forgetOrder(cluster)
		o.expireLocked(time.Now())
		o.log.Info("The limits of a cluster are as they are declared again, as it was asked for", "cluster", cluster, "by", by)
		return true
	}()
	if !was {
		return false, ""
	}
	return true, o.store(ctx, cluster)
}

// order gives a cluster the limits that an operator has told.
func (l *limiter) order(o api.LimitsOrder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders[o.Cluster] = o
	l.limitLocked(o.Cluster)
}

// forgetOrder gives a cluster the limits that are declared.
func (l *limiter) forgetOrder(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.orders, cluster)
	l.limitLocked(cluster)
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

// describe tells of a cluster's limits.
func (l *limiter) describe(cluster string) api.Limits {
	l.mu.Lock()
	defer l.mu.Unlock()
	flags, asked := l.ofFlagsLocked(cluster), l.asked[cluster]
	declared := flags
	declared.limit.QPS, declared.limit.Burst, declared.weight = asked.Over(flags.limit.QPS, flags.limit.Burst, flags.weight)
	effective := over(l.orders[cluster], declared)
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
	all := api.Limits{
		Cluster: cluster,
		QPS:     limit(asked.QPS != nil, declared.limit.QPS, effective.limit.QPS),
		Burst:   limit(asked.Burst != nil, float64(declared.limit.Burst), float64(effective.limit.Burst)),
		Weight:  limit(asked.Weight != nil, float64(declared.weight), float64(effective.weight)),
	}
	if o, is := l.orders[cluster]; is {
		all.Order = &o
	}
	return all
}

func (a *admin) serveLimits(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	cluster, code, wrong := a.limitsOf(q)
	if wrong != nil {
		return code, wrong
	}
	return http.StatusOK, a.orders.limiter.describe(cluster)
}

// limitsOf returns the cluster whose limits are asked for.
func (a *admin) limitsOf(q url.Values) (cluster string, code int, wrong any) {
	p := api.Paused{Cluster: q.Get("cluster")}
	if p.Cluster == "" {
		return "", http.StatusBadRequest, api.Error{Error: "which cluster? Give ?cluster=NAME"}
	}
	if err, known := a.isKnown(&p); err != nil {
		return "", http.StatusNotFound, api.Error{Error: err.Error(), Known: known}
	}
	return p.Cluster, 0, nil
}

func (a *admin) serveOrderLimits(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster", "qps", "burst", "weight", "reset", "for", "reason", "by")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	l, err := limitsOrderOf(q)
	reset := q.Get("reset") == "true"
	empty := l.QPS == nil && l.Burst == nil && l.Weight == nil
	switch {
	case err != nil:
	case !reset && q.Has("reset"):
		err = errors.New("reset: give true")
	case reset && !empty:
		err = errors.New("reset takes all other limits away; give no others with it")
	case !reset && empty:
		err = errors.New("which limit? Give qps, burst or weight, or reset=true")
	}
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	cluster, code, wrong := a.limitsOf(q)
	if reset && q.Get("cluster") != "" { // also of a cluster that has left since
		was, notStored := a.orders.resetLimits(r.Context(), q.Get("cluster"), q.Get("by"))
		if !was && wrong != nil {
			return code, wrong
		}
		now := a.orders.limiter.describe(q.Get("cluster"))
		now.NotStored = notStored
		return stored(notStored), now
	}
	if wrong != nil {
		return code, wrong
	}
	notStored, err := a.orders.limit(r.Context(), l)
	if err != nil {
		return http.StatusConflict, api.Error{Error: err.Error()}
	}
	now := a.orders.limiter.describe(cluster)
	now.NotStored = notStored
	return stored(notStored), now
}

// limitsOrderOf returns the limits that are asked for, within the bounds of the flags.
func limitsOrderOf(q url.Values) (l api.LimitsOrder, err error) {
	l.Cluster = q.Get("cluster")
	l.Order, err = orderOf(q, time.Now())
	errs := []error{err, checkOrderText("the name", l.Cluster, 2*mostOrderText)}
	if s := q.Get("qps"); s != "" {
		qps, err := parseRate(s)
		errs = append(errs, named("qps", err))
		l.QPS = &qps
	}
	for _, count := range []struct {
		name string
		into **int
	}{{"burst", &l.Burst}, {"weight", &l.Weight}} {
		if s := q.Get(count.name); s != "" {
			n, err := parseCount(s)
			errs = append(errs, named(count.name, err))
			*count.into = &n
		}
	}
	return l, errors.Join(errs...)
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", what, clipped(err.Error()))
}
