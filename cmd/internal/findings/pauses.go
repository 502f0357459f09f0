package findings

import (
	"fmt"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// codePaused is that of what an operator has paused.
const codePaused = "FL1013"

// pauses tells of what operators have paused.
func (f *finder) pauses() {
	for _, p := range f.Status.Paused {
		what := "Cluster " + p.Cluster
		switch {
		case p.Route != "":
			what = "Route " + p.Route
		case p.Resource != "":
			what = fmt.Sprintf("Resource %s of cluster %s", p.Resource, p.Cluster)
		}
		f.add(codePaused, api.Finding{Cluster: p.Cluster, Resource: p.Resource, Route: p.Route, Since: p.Since},
			fmt.Sprintf("%s has been paused for %s, %s.", what, f.age(p.Since), p.Said()))
	}
}

// isPaused reports whether changes of a cluster to a route wait because somebody wants that.
func (f *finder) isPaused(cluster, route string) bool {
	return f.has(func(one api.Finding) bool {
		return one.Code == codePaused && (one.Route == route && one.Route != "" || one.Cluster == cluster && one.Cluster != "" && one.Resource == "")
	})
}
