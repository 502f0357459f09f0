package page

import "github.com/fairlead-dev/fairlead/cmd/internal/api"

// orderOf returns the limits that an operator has set of a target; nil: none.
func orderOf(all []api.LimitsOrder, target api.Target) *api.LimitsOrder {
	for i := range all {
		if all[i].Target == target {
			return &all[i]
		}
	}
	return nil
}

// ordersOf returns the limits that operators have set of a cluster, and those of its resources, in
// their order.
func ordersOf(all []api.LimitsOrder, cluster string) (whole *api.LimitsOrder, streams []api.LimitsOrder) {
	for i := range all {
		if all[i].Cluster == cluster && all[i].Resource != "" {
			streams = append(streams, all[i])
		}
	}
	return orderOf(all, api.Target{Cluster: cluster}), streams
}

// left is what the template is given of a cluster or a route that there is not, but orders of it.
type left struct {
	Name   string
	Paused []api.Pause
	Limits []api.LimitsOrder
}

// gone returns the answer to a name that there is not, with what operators have ordered of it: it
// has left, and its pauses can still be ended.
func gone(s *snapshot, a answer, name string, of api.Target) answer {
	l := left{Name: name}
	for i := range s.status.Paused {
		if t := s.status.Paused[i].Target; t.Cluster == of.Cluster && t.Route == of.Route {
			l.Paused = append(l.Paused, s.status.Paused[i])
		}
	}
	for i := range s.status.Limits {
		if t := s.status.Limits[i].Target; t.Cluster == of.Cluster && t.Route == of.Route {
			l.Limits = append(l.Limits, s.status.Limits[i])
		}
	}
	if len(l.Paused)+len(l.Limits) > 0 {
		a.template, a.data = "gone", l
	}
	return a
}
