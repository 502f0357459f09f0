package mixin

// Alerts returns all alerts, those about the whole first.
//
// Each is about a symptom that somebody can do something about. How long it has to last is
// longer than a rolling update takes, and than Fairlead takes to recover by itself.
func Alerts() []Alert {
	var all []Alert
	for _, part := range [][]Alert{processAlerts(), clusterAlerts(), sinkAlerts(), ledgerAlerts()} {
		all = append(all, part...)
	}
	return all
}

func processAlerts() []Alert {
	return []Alert{
		{
			// One installation of several that has been there in the last hour; and none at
			// all, for whatever time. The ten minutes in which both hold leave no gap.
			Name: "FairleadDown", For: "5m", Severity: Critical,
			Expr: `group ` + by() + ` (last_over_time(fairlead_build_info[1h])) unless group ` + by() + ` (fairlead_build_info)` + "\nor\n" +
				`absent(last_over_time(fairlead_build_info[50m]))`,
			Summary:     `Prometheus scrapes no Fairlead{{ with $labels.job }} of job {{ . }}{{ end }}{{ with $labels.namespace }} in namespace {{ . }}{{ end }}.`,
			Description: `No process of Fairlead has answered a scrape for 5 minutes. If none runs, nothing is delivered. Changes are read and delivered after the next start.`,
		},
		{
			Name: "FairleadNoLeader", For: "2m", Severity: Critical,
			Expr:        `sum ` + by() + ` (fairlead_leader) == 0`,
			Summary:     `Fairlead runs, and none of its processes delivers.`,
			Description: `All processes wait for the lock of the leader election, or the one that has it does not deliver: the ledger refuses it, it waits until the process of before lets go of a file, or its settings take long to change.`,
		},
		{
			// Where none delivers, the alert above says so.
			Name: "FairleadLockNotReadable", For: "10m", Severity: Warning,
			Expr:        `min ` + by("instance") + ` (fairlead_leader_lock_up) == 0 and on (namespace, job) sum ` + by() + ` (fairlead_leader) > 0`,
			Summary:     `A process of Fairlead cannot read the lock{{ with $labels.instance }}: {{ . }}{{ end }}.`,
			Description: `Another process leads and delivers. This one has not been able to read the lock of the leader election for 10 minutes: it would not take over if the leader ended.`,
		},
		{
			Name: "FairleadMemoryBudget", For: "15m", Severity: Warning,
			Expr:        `max ` + by() + ` (fairlead_memory_budget_waiting_lanes) > 0`,
			Summary:     `{{ $value }} lanes of Fairlead wait for memory.`,
			Description: `For 15 minutes clusters have not been read because --memory-budget is used up. Their changes arrive late. Most often a sink is slow or down.`,
		},
		{
			Name: "FairleadCardinalityHigh", For: "15m", Severity: Warning,
			Expr:        `max ` + by() + ` (fairlead_metrics_clusters_left_out) > 0`,
			Summary:     `{{ $value }} clusters have no series in Fairlead's metrics.`,
			Description: `The fleet has more clusters than --metrics-max-clusters. Alerts about single clusters do not fire for the clusters that are left out; all are delivered.`,
		},
		{
			// Such a cluster has no series of its own.
			Name: "FairleadDescriptionUnusable", For: "15m", Severity: Warning,
			Expr:        `max ` + by("source") + ` (fairlead_fleet_problems) > 0`,
			Summary:     `{{ $value }} descriptions of clusters in {{ $labels.source }} cannot be used.`,
			Description: `For 15 minutes Fairlead has not been able to use what is there, or to read it. It does not connect to these clusters, or connects as before.`,
		},
		{
			// Where a source cannot be read, the alert above says so.
			Name: "FairleadNoClusters", For: "15m", Severity: Warning,
			Expr:        `max ` + by() + ` (fairlead_fleet_members) == 0 unless max ` + by() + ` (fairlead_fleet_problems) > 0`,
			Summary:     `Fairlead runs, and no cluster is described.`,
			Description: `For 15 minutes --clusters has described no cluster, and has been read without an error. Nothing is delivered. A selector or a folder may be another one than is meant.`,
		},
		{
			Name: "FairleadConfigInvalid", For: "10m", Severity: Warning,
			Expr:        `min ` + by() + ` (fairlead_config_last_reload_successful) == 0`,
			Summary:     `Fairlead's configuration file cannot be read, or is not valid.`,
			Description: `The values of before are in effect. A process that starts now does not start: mend the file first.`,
		},
	}
}

func clusterAlerts() []Alert {
	const (
		expiry   = `fairlead_cluster_credentials_expiry_timestamp_seconds`
		lifetime = `fairlead_cluster_credentials_lifetime_seconds`
	)
	live := ` and on (namespace, job, cluster) fairlead_connection_state{state="live"} == 1`
	stream, credentials := by("cluster", "stream", "resource"), by("cluster", "credential")
	return []Alert{
		{
			Name: "FairleadClusterNotLive", For: "15m", Severity: Warning,
			Expr:        `max ` + by("cluster") + ` (fairlead_connection_state{state=~"live|stale|paused"}) == 0`,
			Summary:     `Fairlead cannot reach cluster {{ $labels.cluster }}.`,
			Description: `The API server of {{ $labels.cluster }} has not answered, or has refused the credentials, for 15 minutes. Its changes are delivered once it answers.`,
		},
		{
			// Not connected, which the alert above is about; and a resource that is not
			// installed in a member is no fault.
			Name: "FairleadClusterStale", For: "15m", Severity: Warning,
			Expr: `max ` + by("cluster") + ` (fairlead_connection_state{state="stale"}) == 1` + "\nor\n" +
				`max ` + stream + ` (fairlead_stream_state{state=~"backing off|stale"}) == 1` + live + "\nor\n" +
				`max ` + stream + ` (fairlead_stream_state{state="waiting"}) == 1` + live + "\n" +
				`  unless sum ` + stream + ` (increase(fairlead_stream_reconnects_total{reason="missing"}[15m])) > 0`,
			Summary:     `What Fairlead has of {{ with $labels.resource }}{{ . }} in {{ end }}cluster {{ $labels.cluster }} is old.`,
			Description: `{{ $labels.cluster }} is connected, but {{ with $labels.stream }}its stream {{ . }}{{ else }}at least one of its streams{{ end }} has not been read for 15 minutes. Sinks hold the state of before.`,
		},
		{
			// A token that is renewed every hour must not alert: a tenth of the lifetime, a
			// week at most.
			Name: "FairleadCredentialsExpire", For: "15m", Severity: Warning,
			Expr: `min ` + credentials + ` (` + expiry + `) - time()` + "\n" +
				`  < clamp_max(0.1 * min ` + credentials + ` (` + lifetime + `), 7 * 86400)` + "\nor\n" +
				`(min ` + credentials + ` (` + expiry + `) - time() < 7 * 86400` + "\n" +
				`  unless min ` + credentials + ` (` + lifetime + `))`,
			Summary:     `The {{ $labels.credential }} of cluster {{ $labels.cluster }} expires in {{ $value | humanizeDuration }}.`,
			Description: `It is in the last tenth of its time, or in its last week, and has not been replaced. When it has expired, {{ $labels.cluster }} refuses Fairlead.`,
		},
		{
			Name: "FairleadThrottled", For: "15m", Severity: Info,
			Expr:        `max ` + by("cluster", "route") + ` (rate(fairlead_throttled_seconds_total[1h])) > 0.5`,
			Summary:     `Changes of cluster {{ $labels.cluster }} wait for its rate limit.`,
			Description: `In the last hour the token bucket of {{ $labels.cluster }} before {{ $labels.route }} was empty for {{ $value | humanizePercentage }} of the time, while changes waited. It has more changes than --cluster-qps, or its own limit, lets through.`,
		},
		{
			Name: "FairleadFilterErrors", For: "5m", Severity: Warning,
			Expr: `sum ` + by("cluster", "resource", "route") + ` (increase(fairlead_filter_errors_total[15m])) > 0` + "\nor\n" +
				`max ` + by("cluster", "resource", "route") + ` (fairlead_filter_failing_objects) > 0`,
			Summary:     `A rule of {{ $labels.route }} fails on {{ $labels.resource }} of cluster {{ $labels.cluster }}.`,
			Description: `An expression of --where could not be evaluated on some objects. They are delivered, as if they were selected.`,
		},
		{
			Name: "FairleadAuditDifferences", For: "0s", Severity: Critical,
			Expr:        `sum ` + by("cluster", "resource") + ` (increase(fairlead_audit_differences_total[1h])) > 0`,
			Summary:     `What was delivered of {{ $labels.resource }} in cluster {{ $labels.cluster }} was not what the cluster holds.`,
			Description: `An audit has found objects that differ, and has had them delivered again. That should never happen: somebody has to find out why.`,
		},
	}
}
