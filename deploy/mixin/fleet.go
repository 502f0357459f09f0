package mixin

func fleetDashboard() dashboard {
	return dashboard{
		name: "fleet", title: "Fairlead / Fleet", variables: []variable{routeVar},
		rows: []row{
			{"Overview", []panel{
				stat("Clusters by state", count, "All that are in the fleet, also those that have no series of their own.",
					query{`sum by (state) (fairlead_connection_clusters) > 0`, "{{state}}"}),
				stat("Delivered", perSec, "Changes that sinks have accepted.",
					query{`sum by (route) (rate(fairlead_changes_delivered_total{route=~"$route"}[$__rate_interval]))`, "{{route}}"}),
				stat("Oldest change that waits", seconds, "It grows while a sink takes nothing.",
					query{`max by (route) (fairlead_route_oldest_unacked_age_seconds{route=~"$route"})`, "{{route}}"}),
				stat("Sinks that fail", count, "Sinks to which all writes fail.",
					query{`count(fairlead_sink_up == 0) or vector(0)`, ""}),
				stat("Audit differences", count, "Since the start of the process. More than 0 is a fault to report.",
					query{`sum(fairlead_audit_differences_total)`, ""}),
			}},
			{"Clusters", []panel{
				graph("Clusters by state", count, "A cluster that is not live is not read.",
					query{`sum by (state) (fairlead_connection_clusters)`, "{{state}}"}).stack(),
				graph("Lost connections", perSec, "By reason, of all clusters.",
					query{`sum by (reason) (rate(fairlead_connection_reconnects_total[$__rate_interval])) > 0`, "{{reason}}"}),
				table("Clusters that are not live", none, "See the dashboard of the cluster.",
					`max by (cluster, state) (fairlead_connection_state{state!="live"}) == 1`),
			}},
			{"Delivery", []panel{
				graph("Lag", seconds, "From reading a change to its acceptance.",
					quantiles("fairlead_delivery_lag_seconds", `route=~"$route"`, "route")...),
				graph("Oldest change that waits: ten clusters", seconds, "By cluster and sink.",
					query{`topk(10, max by (cluster, route) (fairlead_route_oldest_unacked_age_seconds{route=~"$route"})) > 0`, "{{cluster}} {{route}}"}),
				graph("Changes that wait: ten clusters", count, "In lanes, delayed or being delivered.",
					query{`topk(10, sum by (cluster, route) (fairlead_lane_depth{route=~"$route"})) > 0`, "{{cluster}} {{route}}"}),
			}},
			{"What holds clusters up", []panel{
				graph("Rate limit: ten clusters", percent, "Share of the time in which a cluster's bucket was empty while changes waited.",
					query{`topk(10, max by (cluster, route) (rate(fairlead_throttled_seconds_total{route=~"$route"}[$__rate_interval]))) > 0`, "{{cluster}} {{route}}"}),
				graph("Full lanes: ten clusters", percent, "Share of the time in which a cluster was not read because its lane was full.",
					query{`topk(10, max by (cluster, route) (rate(fairlead_backpressure_seconds_total{route=~"$route"}[$__rate_interval]))) > 0`, "{{cluster}} {{route}}"}),
				graph("Most changes: ten clusters", perSec, "States of objects that were read.",
					query{`topk(10, sum by (cluster) (rate(fairlead_changes_observed_total[$__rate_interval])))`, "{{cluster}}"}),
			}},
			{"Members", []panel{
				table("Which clusters they are", none, "", `max by (cluster, uid, server_version) (fairlead_cluster_info)`),
				table("Credentials that expire first", date, "The first to expire of a cluster's token and certificate, as far as they tell.",
					`bottomk(20, 1000 * min by (cluster, credential) (fairlead_cluster_credentials_expiry_timestamp_seconds))`),
			}},
		},
	}
}
