package findings

import (
	"fmt"
	"slices"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// codeLimited is that of a limit that an operator has ordered.
const codeLimited = "FL1204"

// limits tells of the limits that operators have ordered. Weights, and orders of no limit, hold
// nothing up.
func (f *finder) limits() {
	for i := range f.Status.Limits {
		l := &f.Status.Limits[i]
		if l.Rate() == 0 {
			continue
		}
		what := "Cluster " + l.Cluster
		switch {
		case l.Route != "":
			what = "Route " + l.Route
		case l.Resource != "":
			what = fmt.Sprintf("Resource %s of cluster %s", l.Resource, l.Cluster)
		}
		f.add(codeLimited, api.Finding{Cluster: l.Cluster, Resource: l.Resource, Route: l.Route, Since: l.Since},
			fmt.Sprintf("%s has been limited to %v changes per second for %s, %s.", what, l.Rate(), f.age(l.Since), l.Said()))
	}
}

// holdsUp reports whether a limit that is ordered of a whole cluster, or of a route, is what its
// changes wait for: whether there is one, and its tokens were missing for that share of the window. Who looks once cannot tell. What the limit of a resource holds up is not read, and waits in no
// lane.
func (f *finder) holdsUp(of api.Target, share float64) bool {
	return f.Before != nil && share > mostThrottled &&
		slices.ContainsFunc(f.Status.Limits, func(l api.LimitsOrder) bool { return l.Target == of && l.Rate() > 0 })
}

// limitedShare returns for which share of the window a route's limit had no token while changes waited
// that nobody holds, whatever else they waited for.
func (f *finder) limitedShare(route string) float64 {
	if f.Before == nil || f.Window <= 0 {
		return 0
	}
	seconds := func(s *api.Status) float64 {
		for i := range s.Sinks {
			if s.Sinks[i].Name == route {
				return s.Sinks[i].LimitedSeconds
			}
		}
		return 0
	}
	return (seconds(&f.Status) - seconds(f.Before)) / f.Window.Seconds()
}
