package app

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

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
	verb := "limit"
	if reset {
		verb = "reset"
	}
	code, unknown := a.resolve(&of, verb)
	if code == http.StatusConflict {
		return code, unknown
	}
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
