package mixin

// unlessPaused leaves out what an operator has paused of a metric with the labels cluster,
// resource and route: what waits there waits on order, and fairlead_paused says so.
func unlessPaused(metric string) string {
	return metric + "\n" +
		`  unless on (namespace, job, cluster) fairlead_paused{cluster!="", resource=""}` + "\n" +
		`  unless on (namespace, job, cluster, resource) fairlead_paused{resource!=""}` + "\n" +
		`  unless on (namespace, job, route) fairlead_paused{route!=""}`
}

func sinkAlerts() []Alert {
	route := by("cluster", "route")
	return []Alert{
		{
			Name: "FairleadSinkDown", For: "5m", Severity: Critical,
			Expr:        `min ` + by("sink") + ` (fairlead_sink_up) == 0`,
			Summary:     `Fairlead cannot write to {{ $labels.sink }}.`,
			Description: `All writes to {{ $labels.sink }} have failed for 5 minutes or, before the first one, all checks of it. Changes wait, and are delivered once it takes them; other sinks are not concerned.`,
		},
		{
			Name: "FairleadSinkRefusing", For: "10m", Severity: Warning,
			Expr:        `max ` + route + ` (fairlead_changes_refused) > 0`,
			Summary:     `{{ $labels.route }} refuses {{ $value }} changes of cluster {{ $labels.cluster }}.`,
			Description: `It takes others. Those that it refuses are tried again without end, because there is no --dead-letter, or its file cannot be written.`,
		},
		{
			Name: "FairleadDeadLetters", For: "0s", Severity: Warning,
			Expr:        `sum ` + by("sink") + ` (increase(fairlead_sink_changes_total{result="dead_lettered"}[1h])) > 0`,
			Summary:     `{{ $labels.sink }} has refused changes for good.`,
			Description: `About {{ $value | humanize }} changes of the last hour went to the file of --dead-letter. They are missing at {{ $labels.sink }} until somebody sends them again.`,
		},
		{
			Name: "FairleadOldestUnackedHigh", For: "5m", Severity: Warning,
			Expr:        `max ` + route + ` (` + unlessPaused(`fairlead_route_oldest_unacked_age_seconds`) + `) > 600`,
			Summary:     `A change of cluster {{ $labels.cluster }} has waited for {{ $value | humanizeDuration }}.`,
			Description: `{{ $labels.route }} has not accepted it. Either the sink is slow or down, or it refuses this change, or the cluster is throttled.`,
		},
		{
			// Lanes are bounded: behind a full one the backlog grows in the member. A route that
			// shares its streams with others leaves them instead, and is behind.
			Name: "FairleadBacklogGrowing", For: "15m", Severity: Warning,
			// A lane is of all streams of its cluster.
			Expr: `max ` + route + ` (rate(fairlead_backpressure_seconds_total[15m])` + "\n" +
				`  unless on (namespace, job, cluster) fairlead_paused{cluster!=""}` + "\n" +
				`  unless on (namespace, job, route) fairlead_paused{route!=""}) > 0.5` + "\nor\n" +
				`max ` + route + ` (` + unlessPaused(`fairlead_route_behind_seconds`) + `) > 900`,
			Summary:     `{{ $labels.route }} does not keep up with cluster {{ $labels.cluster }}.`,
			Description: `Its lane has been full for most of the time, so that the cluster is not read, or it has been behind the others for 15 minutes. What is not read waits in the cluster, and the lag grows.`,
		},
	}
}

func ledgerAlerts() []Alert {
	cluster := by("cluster")
	return []Alert{
		{
			Name: "FairleadLedgerNotWritable", For: "5m", Severity: Critical,
			Expr: `min ` + by() + ` (fairlead_ledger_up) == 0` + "\nor\n" +
				`min ` + cluster + ` (fairlead_ledger_cluster_up) == 0`,
			Summary:     `Fairlead cannot write its ledger{{ with $labels.cluster }} for cluster {{ . }}{{ end }}.`,
			Description: `Delivery of {{ with $labels.cluster }}{{ . }}{{ else }}all clusters{{ end }} pauses until it can be written, so that nothing is forgotten. Most often its volume is full.`,
		},
		{
			Name: "FairleadLedgerFull", For: "15m", Severity: Warning,
			Expr: `max ` + cluster + ` (fairlead_ledger_cluster_objects / fairlead_ledger_cluster_objects_max) > 0.9` + "\nor\n" +
				`max ` + cluster + ` (fairlead_ledger_cluster_bytes / fairlead_ledger_cluster_bytes_max) > 0.9` + "\nor\n" +
				`max ` + cluster + ` (fairlead_objects_left_out) > 0`,
			Summary:     `Cluster {{ $labels.cluster }} has nearly all it may have in the ledger, or more.`,
			Description: `At --max-objects or --max-ledger-bytes, new objects of {{ $labels.cluster }} are left out: they are not delivered. Other clusters are not concerned.`,
		},
	}
}
