package mixin

func ledgerDashboard() dashboard {
	const cluster = `cluster=~"$cluster"`
	return dashboard{
		name: "ledger", title: "Fairlead / Ledger", variables: []variable{clusterVar},
		rows: []row{
			{"Store", []panel{
				stat("Can be written", count, "Delivery pauses while it is 0.", query{`min(fairlead_ledger_up)`, ""}),
				stat("Size", bytesIn, "Of the store.", query{`max(fairlead_ledger_bytes)`, ""}),
				stat("Last write", seconds, "Age of the last transaction. Nothing is written while nothing changes.", query{`min(fairlead_ledger_last_write_age_seconds)`, ""}),
				graph("Transactions", perSec, "By result.", query{`sum by (result) (rate(fairlead_ledger_writes_total[$__rate_interval]))`, "{{result}}"}),
				graph("Records", perSec, "Of objects.", query{`sum(rate(fairlead_ledger_records_total[$__rate_interval]))`, ""}),
			}},
			{"Clusters", []panel{
				graph("Objects, of those that it may have: ten clusters", percent, "At 1, new objects are left out.",
					query{`topk(10, max by (cluster) (fairlead_ledger_cluster_objects{` + cluster + `} / fairlead_ledger_cluster_objects_max{` + cluster + `}))`, "{{cluster}}"}),
				graph("Bytes, of those that it may have: ten clusters", percent, "At 1, new objects are left out.",
					query{`topk(10, max by (cluster) (fairlead_ledger_cluster_bytes{` + cluster + `} / fairlead_ledger_cluster_bytes_max{` + cluster + `}))`, "{{cluster}}"}),
				graph("Objects that are left out", count, "There is no room for them.",
					query{`sum by (cluster) (fairlead_objects_left_out{` + cluster + `}) > 0`, "{{cluster}}"}),
			}},
			{"Loss of position", []panel{
				graph("Resume points given up", perSec, "A restart then takes a snapshot.",
					query{`sum by (cluster, reason) (rate(fairlead_ledger_resume_points_given_up_total{` + cluster + `}[$__rate_interval])) > 0`, "{{cluster}} {{reason}}"}),
				graph("Objects that are not watched any more", count, "They are reported as deleted after --ledger-retention.",
					query{`sum by (resource) (fairlead_ledger_unwatched_objects{` + cluster + `}) > 0`, "{{resource}}"}),
				graph("Clusters whose data is not stored", count, "",
					query{`count(fairlead_ledger_cluster_up{` + cluster + `} == 0) or vector(0)`, ""}),
			}},
		},
	}
}

func processDashboard() dashboard {
	return dashboard{
		name: "process", title: "Fairlead / Process",
		rows: []row{
			{"Which one", []panel{
				table("Builds", none, "", `max by (instance, version, commit, goversion) (fairlead_build_info)`),
				graph("Leader", count, "1 for the process that delivers.", query{`max by (instance) (fairlead_leader)`, "{{instance}}"}),
				graph("Term", count, "It grows with each change of the leader.", query{`max by (instance) (fairlead_leader_term)`, "{{instance}}"}),
			}},
			{"Leader election", []panel{
				graph("Renewals", perSec, "By result.", query{`sum by (instance, result) (rate(fairlead_leader_renewals_total[$__rate_interval]))`, "{{instance}} {{result}}"}),
				graph("Time of calls to the lock", seconds, "", quantiles("fairlead_leader_lock_seconds", "", "call")...),
				graph("Lost terms", perSec, "By reason.", query{`sum by (instance, reason) (rate(fairlead_leader_lost_total[$__rate_interval]))`, "{{instance}} {{reason}}"}),
			}},
			{"Memory of changes", []panel{
				graph("Budget", bytesIn, "By use.",
					query{`max by (instance, use) (fairlead_memory_budget_bytes)`, "{{instance}} {{use}}"}),
				graph("Lanes that wait for memory", count, "", query{`max by (instance) (fairlead_memory_budget_waiting_lanes)`, "{{instance}}"}),
				graph("Clusters without series", count, "More than --metrics-max-clusters.", query{`max by (instance) (fairlead_metrics_clusters_left_out)`, "{{instance}}"}),
			}},
			{"Resources", []panel{
				graph("Processors", count, "", query{`rate(process_cpu_seconds_total[$__rate_interval]) and on (instance, job) fairlead_build_info`, "{{instance}}"}),
				graph("Memory", bytesIn, "",
					query{`process_resident_memory_bytes and on (instance, job) fairlead_build_info`, "{{instance}} resident"},
					query{`go_memstats_heap_inuse_bytes and on (instance, job) fairlead_build_info`, "{{instance}} heap"}),
				graph("Goroutines", count, "", query{`go_goroutines and on (instance, job) fairlead_build_info`, "{{instance}}"}),
				graph("Open files", count, "", query{`process_open_fds and on (instance, job) fairlead_build_info`, "{{instance}}"}),
			}},
			{"Configuration", []panel{
				stat("Last reload", count, "1 if the file was valid. Only with --config.", query{`min by (instance) (fairlead_config_last_reload_successful)`, "{{instance}}"}),
				table("Flags that need a restart", none, "Their values in the file are not in effect.", `max by (instance, flag) (fairlead_config_restart_required)`),
				stat("Descriptions that cannot be used", count, "By the value of --clusters.", query{`sum by (source) (fairlead_fleet_problems)`, "{{source}}"}),
			}},
		},
	}
}
