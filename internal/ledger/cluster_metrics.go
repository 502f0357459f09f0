package ledger

import "github.com/prometheus/client_golang/prometheus"

// ClusterCollector tells what the clusters of a fleet take in the ledger, as
// metrics. The series of a cluster end when it leaves the fleet.
type ClusterCollector struct{ clusters func() []ClusterStatus }

// NewClusterCollector returns a collector of what clusters returns, which is called
// at each scrape and may be called at once by several.
func NewClusterCollector(clusters func() []ClusterStatus) *ClusterCollector {
	return &ClusterCollector{clusters}
}

func clusterDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("fairlead_ledger_cluster_"+name, help, []string{"cluster"}, nil)
}

var (
	clusterUp         = clusterDesc("up", "1 if the store accepts the data of the cluster, 0 while it does not and the cluster's delivery pauses.")
	clusterObjects    = clusterDesc("objects", "Objects of the cluster that the ledger knows: accepted, being delivered, or deleted not long ago.")
	clusterObjectsMax = clusterDesc("objects_max", "Maximum of fairlead_ledger_cluster_objects. Absent without a bound.")
	clusterBytes      = clusterDesc("bytes", "Bytes of the cluster's objects in the ledger, as --max-ledger-bytes counts them. The file is larger.")
	clusterBytesMax   = clusterDesc("bytes_max", "Maximum of fairlead_ledger_cluster_bytes. Absent without a bound.")

	resumePointsGivenUp = prometheus.NewDesc("fairlead_ledger_resume_points_given_up_total",
		"Resume points that were given up, by reason: deletions (too many had to be remembered). A restart then takes a snapshot.",
		[]string{"cluster", "resource", "reason"}, nil)
)

// Describe implements prometheus.Collector.
func (c *ClusterCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{clusterUp, clusterObjects, clusterObjectsMax, clusterBytes, clusterBytesMax, resumePointsGivenUp} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *ClusterCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, s := range c.clusters() {
		send := func(d *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, s.Cluster)
		}
		up := 0.0
		if s.Healthy {
			up = 1
		}
		send(clusterUp, up)
		send(clusterObjects, float64(s.Usage.Objects))
		send(clusterBytes, float64(s.Usage.Bytes))
		if s.Quota.Objects > 0 {
			send(clusterObjectsMax, float64(s.Quota.Objects))
		}
		if s.Quota.Bytes > 0 {
			send(clusterBytesMax, float64(s.Quota.Bytes))
		}
		for what, n := range s.GivenUp {
			metrics <- prometheus.MustNewConstMetric(resumePointsGivenUp, prometheus.CounterValue, float64(n), s.Cluster, what.Resource, what.Reason)
		}
	}
}

// UnwatchedCollector tells what is still in the ledger of resources that nobody
// follows any more, as a metric.
type UnwatchedCollector struct{ objects func() []UnwatchedObjects }

// NewUnwatchedCollector returns a collector of what objects returns, which is called
// at each scrape and may be called at once by several.
func NewUnwatchedCollector(objects func() []UnwatchedObjects) *UnwatchedCollector {
	return &UnwatchedCollector{objects}
}

var unwatchedMetric = prometheus.NewDesc("fairlead_ledger_unwatched_objects",
	"Objects that sinks may hold of resources that are not in --watch any more. After --ledger-retention they are reported as deleted, unless they are followed in another API group.", []string{"cluster", "resource"}, nil)

// Describe implements prometheus.Collector.
func (c *UnwatchedCollector) Describe(descs chan<- *prometheus.Desc) { descs <- unwatchedMetric }

// Collect implements prometheus.Collector.
func (c *UnwatchedCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, u := range c.objects() {
		metrics <- prometheus.MustNewConstMetric(unwatchedMetric, prometheus.GaugeValue, float64(u.Objects), u.Cluster, u.Resource)
	}
}
