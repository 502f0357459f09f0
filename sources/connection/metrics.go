package connection

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// shownStates are the states that a connection in the fleet can have.
var shownStates = []member.State{
	member.Connecting, member.Live, member.Stale, member.BackingOff, member.Waiting, member.Paused,
}

// Collector tells Prometheus of connections. It keeps nothing itself: the
// series of a member are gone when list no longer has it.
type Collector struct {
	list func() []Status

	state, attempt, probes, reachabilityProbes, reconnects *prometheus.Desc
	byState, info, expiry, lifetime                        *prometheus.Desc
}

// NewCollector returns a collector of the connections that list returns. list
// is called at every scrape, possibly several times at once, and must name no
// cluster twice.
func NewCollector(list func() []Status) *Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("fairlead_connection_"+name, help, append([]string{"cluster"}, labels...), nil)
	}
	return &Collector{
		list:    list,
		state:   desc("state", "State of the connection to a member: 1 for the current one, 0 for the others.", "state"),
		attempt: desc("attempt", "Probes that failed since the member was last live."),
		probes:  desc("probes_total", "Probes of the member's API server, by result.", "result"),
		reachabilityProbes: desc("reachability_probes_total",
			"Requests without credentials that ask whether a member that is not live answers at all, by result: answered or unanswered.", "result"),
		reconnects: desc("reconnects_total", "Times that the connection to a member was lost or replaced, by reason.", "reason"),
		byState: prometheus.NewDesc("fairlead_connection_clusters",
			"Members by the state of their connection. Those count too that --metrics-max-clusters leaves out.", []string{"state"}, nil),
		info: prometheus.NewDesc("fairlead_cluster_info",
			"1, with the UID of the member's kube-system namespace, or what stands for it, and the version of its API server.", []string{"cluster", "uid", "server_version"}, nil),
		expiry: prometheus.NewDesc("fairlead_cluster_credentials_expiry_timestamp_seconds",
			"When the member's credentials expire, in seconds since 1970, by what expires first: token or certificate. Absent if they do not tell.", []string{"cluster", "credential"}, nil),
		lifetime: prometheus.NewDesc("fairlead_cluster_credentials_lifetime_seconds",
			"Time from the issue of these credentials to their expiry. Absent if they do not tell.", []string{"cluster", "credential"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.state, c.attempt, c.probes, c.reachabilityProbes, c.reconnects, c.byState, c.info, c.expiry, c.lifetime} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	counts := map[member.State]int{}
	for _, s := range c.list() {
		counts[s.State]++
		c.describeCluster(ch, &s)
		for _, state := range shownStates {
			value := 0.0
			if s.State == state {
				value = 1
			}
			ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, value, s.Cluster, string(state))
		}
		ch <- prometheus.MustNewConstMetric(c.attempt, prometheus.GaugeValue, float64(s.Attempt), s.Cluster)
		// From zero on, so that the first failure shows in a rate.
		for _, result := range probeResults {
			ch <- prometheus.MustNewConstMetric(c.probes, prometheus.CounterValue, float64(s.Probes[result]), s.Cluster, result)
		}
		for _, result := range reachResults {
			ch <- prometheus.MustNewConstMetric(c.reachabilityProbes, prometheus.CounterValue, float64(s.ReachabilityProbes[result]), s.Cluster, result)
		}
		for reason, n := range s.Reconnects {
			ch <- prometheus.MustNewConstMetric(c.reconnects, prometheus.CounterValue, float64(n), s.Cluster, reason)
		}
	}
	for _, state := range shownStates {
		ch <- prometheus.MustNewConstMetric(c.byState, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}

// describeCluster tells which cluster it is, and until when it lets us in.
func (c *Collector) describeCluster(ch chan<- prometheus.Metric, s *Status) {
	if s.ClusterUID != "" {
		ch <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, s.Cluster, s.ClusterUID, s.ServerVersion)
	}
	if s.CredentialExpires.IsZero() {
		return
	}
	ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, float64(s.CredentialExpires.Unix()), s.Cluster, s.Credential)
	if lifetime := s.CredentialExpires.Sub(s.CredentialIssued); !s.CredentialIssued.IsZero() && lifetime > 0 {
		ch <- prometheus.MustNewConstMetric(c.lifetime, prometheus.GaugeValue, lifetime.Seconds(), s.Cluster, s.Credential)
	}
}
