package mixin

func routeDashboard() dashboard {
	const route, sink, cluster = `route=~"$route"`, `sink=~"$route"`, `route=~"$route", cluster=~"$cluster"`
	return dashboard{
		name: "route", title: "Fairlead / Route", variables: []variable{routeVar, clusterVar},
		rows: []row{
			{"Sink", []panel{
				stat("Works", count, "1 while the sink works, 0 while all writes fail.",
					query{`min by (sink) (fairlead_sink_up{` + sink + `})`, "{{sink}}"}),
				graph("Changes", perSec, "By result. Those that are refused or fail count once for each attempt.",
					query{`sum by (sink, result) (rate(fairlead_sink_changes_total{` + sink + `}[$__rate_interval]))`, "{{sink}} {{result}}"}),
				graph("Batches", perSec, "By result.",
					query{`sum by (sink, result) (rate(fairlead_sink_writes_total{` + sink + `}[$__rate_interval]))`, "{{sink}} {{result}}"}),
			}},
			{"Writes", []panel{
				graph("Time of a write", seconds, "Of one batch.", quantiles("fairlead_sink_write_seconds", sink, "sink")...),
				graph("Changes in a batch", count, "It grows with the latency of the sink.", quantiles("fairlead_sink_batch_changes", sink, "sink")...),
				graph("Dead letters", count, "Changes of the last hour that were refused for good.",
					query{`sum by (sink) (increase(fairlead_sink_changes_total{` + sink + `, result="dead_lettered"}[1h]))`, "{{sink}}"}),
			}},
			{"Progress", []panel{
				graph("Lag", seconds, "From reading a change to its acceptance.", quantiles("fairlead_delivery_lag_seconds", cluster, "route")...),
				graph("Streams that are behind", count, "They read for themselves until they have caught up.",
					query{`count by (route) (fairlead_route_in_step{` + cluster + `} == 0) or sum by (route) (0 * fairlead_route_in_step{` + cluster + `})`, "{{route}}"}),
				graph("Longest time behind: ten clusters", seconds, "",
					query{`topk(10, max by (cluster, route) (fairlead_route_behind_seconds{` + cluster + `})) > 0`, "{{cluster}} {{route}}"}),
				graph("Oldest change that waits: ten clusters", seconds, "",
					query{`topk(10, max by (cluster, route) (fairlead_route_oldest_unacked_age_seconds{` + cluster + `})) > 0`, "{{cluster}} {{route}}"}),
			}},
			{"Lanes of all clusters", []panel{
				graph("Changes that wait", count, "By class.",
					query{`sum by (route, class) (fairlead_lane_depth{` + cluster + `})`, "{{route}} {{class}}"}).stack(),
				graph("Being delivered", count, "",
					query{`sum by (route) (fairlead_lane_in_flight{` + cluster + `})`, "{{route}}"}),
				graph("Tried again", perSec, "Changes that were not accepted, by reason.",
					query{`sum by (route, reason) (rate(fairlead_changes_failed_total{` + cluster + `}[$__rate_interval])) > 0`, "{{route}} {{reason}}"}),
				graph("Replaced while they waited", perSec, "A newer state of the same object came.",
					query{`sum by (route) (rate(fairlead_changes_coalesced_total{` + cluster + `}[$__rate_interval]))`, "{{route}}"}),
			}},
			{"Selection", []panel{
				graph("Left out by rules", perSec, "",
					query{`sum by (route) (rate(fairlead_filtered_total{` + cluster + `}[$__rate_interval]))`, "{{route}}"}),
				graph("Rules that fail", perSec, "The object is delivered then.",
					query{`sum by (route) (rate(fairlead_filter_errors_total{` + route + `}[$__rate_interval]))`, "{{route}}"}),
				graph("Objects that the sink may hold", count, "",
					query{`sum by (route) (fairlead_route_objects_known{` + cluster + `})`, "{{route}}"}),
			}},
		},
	}
}
