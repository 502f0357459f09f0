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
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources"
)

// limitOrders returns what operators have told of limits, by name.
func (o *orders) limitOrders() []api.LimitsOrder {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.SortedFunc(maps.Values(o.limits), func(a, b api.LimitsOrder) int { return cmp.Compare(a.String(), b.String()) })
}

// limited returns what an operator has told of the limits of one target; nil: nothing.
func (o *orders) limited(of api.Target) *api.LimitsOrder {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l, is := o.limits[of]; is {
		return &l
	}
	return nil
}

// errNoRate and errNoLimit refuse orders that would limit nothing.
var (
	errNoRate  = errors.New("there is no rate to it yet: give qps as well")
	errNoLimit = errors.New("qps 0 is no limit, and a stream or a route has none but one that is ordered: end that with reset")
)

// limit puts other limits into effect, over those that an order before has told and this one
// does not.
func (o *orders) limit(ctx context.Context, l api.LimitsOrder) (notStored string, err error) {
	err = func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		before, is := o.limits[l.Target]
		if !is && len(o.limits) >= mostOrders {
			return errManyOrders
		}
		l.QPS, l.Burst, l.Weight = cmp.Or(l.QPS, before.QPS), cmp.Or(l.Burst, before.Burst), cmp.Or(l.Weight, before.Weight)
		switch {
		case l.IsCluster():
		case l.QPS == nil:
			return errNoRate
		case *l.QPS == 0:
			return errNoLimit
		}
		if err := o.keepLocked(limitsKey(l.Target), l); err != nil {
			return err
		}
		o.limits[l.Target] = l
		o.limiter.order(l)
		o.limitStreamsLocked()
		o.expireLocked(time.Now())
		now := o.limiter.describe(l.Target)
		o.log.Info("There are other limits, as it was asked for", append(targetValues(l.Target),
			"qps", now.QPS.Effective, "burst", now.Burst.Effective, "weight", now.Weight.Effective, "by", l.By, "reason", l.Reason)...)
		return nil
	}()
	if err != nil {
		return "", err
	}
	return o.store(ctx, l.String()), nil
}

// resetLimits goes back to the limits that are declared. by is who asks for it. It reports
// whether there were others.
func (o *orders) resetLimits(ctx context.Context, of api.Target, by string) (was bool, notStored string) {
	was = func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		if _, is := o.limits[of]; !is {
			return false
		}
		_ = o.keepLocked(limitsKey(of), nil) // to forget fits in any case
		delete(o.limits, of)
		o.limiter.forgetOrder(of)
		o.limitStreamsLocked()
		o.expireLocked(time.Now())
		o.log.Info("The limits are as they are declared again, as it was asked for", append(targetValues(of), "by", by)...)
		return true
	}()
	if !was {
		return false, ""
	}
	return true, o.store(ctx, of.String())
}

// limitStreamsLocked has the engine limit the streams that are ordered to be, and no others.
func (o *orders) limitStreamsLocked() {
	if o.engine == nil {
		return
	}
	all := sources.StreamLimits{}
	for of, l := range o.limits {
		if of.Resource == "" {
			continue
		}
		if all[of.Cluster] == nil {
			all[of.Cluster] = map[string]ratelimit.Limit{}
		}
		all[of.Cluster][of.Resource] = over(l, clusterLimit{}).limit
	}
	o.engine.sources.SetStreamLimits(all)
}

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

func (a *admin) serveLimits(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster", "stream", "route")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	if len(q) == 0 {
		return http.StatusOK, api.LimitsOrders{Orders: append([]api.LimitsOrder{}, a.orders.limitOrders()...)}
	}
	of, err := a.targetOf(q)
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	// What has left keeps its order.
	if code, wrong := a.resolve(&of, "ask for"); wrong != nil && a.orders.limited(of) == nil {
		return code, wrong
	}
	return http.StatusOK, a.orders.limiter.describe(of)
}

func (a *admin) serveOrderLimits(r *http.Request) (int, any) {
	q, err := parameters(r, "cluster", "stream", "route", "qps", "burst", "weight", "reset", "for", "reason", "by")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	l, err := limitsOrderOf(q)
	of, wrong := a.targetOf(q)
	err = cmp.Or(wrong, err)
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
	case l.Weight != nil && !of.IsCluster():
		err = errors.New("weight: only clusters have one, as they take turns")
	}
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	code, unknown := a.resolve(&of, "limit")
	l.Target = of
	var notStored string
	if reset {
		var was bool // also of what has left since
		if was, notStored = a.orders.resetLimits(r.Context(), of, q.Get("by")); !was && unknown != nil {
			return code, unknown
		}
	} else {
		if unknown != nil {
			return code, unknown
		}
		if notStored, err = a.orders.limit(r.Context(), l); err != nil {
			return http.StatusConflict, api.Error{Error: err.Error()}
		}
	}
	now := a.orders.limiter.describe(of)
	now.NotStored = notStored
	return stored(notStored), now
}

// limitsOrderOf returns the limits that are asked for, within the bounds of the flags.
func limitsOrderOf(q url.Values) (l api.LimitsOrder, err error) {
	l.Order, err = orderOf(q, time.Now())
	errs := []error{err}
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
