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
