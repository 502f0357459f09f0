package mixin

func clusterDashboard() dashboard {
	const cluster, stream, route = `cluster=~"$cluster"`, `cluster=~"$cluster", resource=~"$resource"`, `cluster=~"$cluster", route=~"$route"`
	return dashboard{
		name: "cluster", title: "Fairlead / Cluster", variables: []variable{clusterVar, resourceVar, routeVar},
		rows: []row{
			{"Connection", []panel{
				graph("State", count, "The one that is 1.",
					query{`max by (cluster, state) (fairlead_connection_state{` + cluster + `}) == 1`, "{{cluster}} {{state}}"}),
				graph("Probes", perSec, "Requests that ask the API server who it is, by result.",
					query{`sum by (result) (rate(fairlead_connection_probes_total{` + cluster + `}[$__rate_interval]))`, "{{result}}"}),
				stat("Credentials expire in", seconds, "Absent if they do not tell.",
					query{`min by (cluster) (fairlead_cluster_credentials_expiry_timestamp_seconds{` + cluster + `}) - time()`, "{{cluster}}"}),
			}},
			{"Streams", []panel{
				graph("States", count, "Streams by state.",
					query{`sum by (state) (fairlead_stream_state{` + stream + `})`, "{{state}}"}).stack(),
				graph("Read", perSec, "States of objects, by resource.",
					query{`sum by (resource) (rate(fairlead_changes_observed_total{` + stream + `}[$__rate_interval]))`, "{{resource}}"}),
				graph("Read", bps, "Bytes, uncompressed.",
					query{`sum by (resource) (rate(fairlead_stream_read_bytes_total{` + stream + `}[$__rate_interval]))`, "{{resource}}"}),
				graph("Age of the last frame", seconds, "Bookmarks included. API servers send one about every minute.",
					query{`max by (resource) (fairlead_stream_last_frame_age_seconds{` + stream + `})`, "{{resource}}"}),
			}},
			{"Watches", []panel{
				graph("Watches that ended", perSec, "By reason.",
					query{`sum by (reason) (rate(fairlead_stream_reconnects_total{` + stream + `}[$__rate_interval])) > 0`, "{{reason}}"}),
				graph("Snapshots", perSec, "By reason.",
					query{`sum by (reason) (rate(fairlead_stream_snapshots_total{` + stream + `}[$__rate_interval])) > 0`, "{{reason}}"}),
				graph("Not delivered", perSec, "Duplicates, older states, states in which nothing that counts has changed, and what rules leave out.",
					query{`sum by (reason) (rate(fairlead_changes_suppressed_total{` + stream + `}[$__rate_interval]))`, "{{reason}}"},
					query{`sum by (route) (rate(fairlead_filtered_total{` + stream + `}[$__rate_interval]))`, "filtered {{route}}"}),
				graph("Rejected frames", perSec, "Of which nothing or only metadata was delivered, by reason.",
					query{`sum by (reason) (rate(fairlead_frames_rejected_total{` + stream + `}[$__rate_interval])) > 0`, "{{reason}}"}),
			}},
			{"Lane", []panel{
				graph("Changes that wait", count, "By class.",
					query{`sum by (route, class) (fairlead_lane_depth{` + route + `})`, "{{route}} {{class}}"},
					query{`sum by (route) (fairlead_lane_delayed{` + route + `})`, "{{route}} delayed"}).stack(),
				graph("Memory", bytesIn, "Of the changes that wait or are being delivered.",
					query{`sum by (route) (fairlead_lane_bytes{` + route + `})`, "{{route}}"}),
				graph("Held up", percent, "Share of the time.",
					query{`max by (route) (rate(fairlead_throttled_seconds_total{` + route + `}[$__rate_interval]))`, "{{route}} by the rate limit"},
					query{`max by (route) (rate(fairlead_backpressure_seconds_total{` + route + `}[$__rate_interval]))`, "{{route}} by its full lane"}),
				graph("Wait for a worker", seconds, "",
					quantiles("fairlead_workqueue_queue_duration_seconds", route, "route")...),
			}},
			{"Delivery", []panel{
				graph("Delivered", perSec, "By what has happened to the object.",
					query{`sum by (op) (rate(fairlead_changes_delivered_total{` + route + `, resource=~"$resource"}[$__rate_interval]))`, "{{op}}"}),
				graph("Lag", seconds, "From reading a change to its acceptance.",
					quantiles("fairlead_delivery_lag_seconds", route, "route")...),
				graph("Not accepted", count, "Objects with changes that a sink has not accepted, and those that it refuses.",
					query{`sum by (route) (fairlead_route_changes_unacked{` + route + `, resource=~"$resource"})`, "{{route}} waiting"},
					query{`sum by (route) (fairlead_changes_refused{` + route + `})`, "{{route}} refused"}),
				graph("Audits", perSec, "By result, and the objects that differed.",
					query{`sum by (result) (rate(fairlead_audits_total{` + stream + `}[$__rate_interval]))`, "{{result}}"},
					query{`sum(rate(fairlead_audit_differences_total{` + stream + `}[$__rate_interval]))`, "differences"}),
			}},
		},
	}
}
