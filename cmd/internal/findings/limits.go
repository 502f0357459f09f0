package findings

import (
	"fmt"

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

// isLimited reports whether changes of a cluster to a route may wait because somebody has ordered
// a limit. One of a resource is not meant: what that holds up is not read, and waits in no lane.
func (f *finder) isLimited(cluster, route string) bool {
	return f.has(func(one api.Finding) bool {
		return one.Code == codeLimited && (one.Route == route && one.Route != "" || one.Cluster == cluster && one.Cluster != "" && one.Resource == "")
	})
}
