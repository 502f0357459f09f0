package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
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
