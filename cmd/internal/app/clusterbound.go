package app

import (
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// clusterBound bounds the clusters of which /metrics has series, for a Prometheus that
// cannot keep those of all. The series of further clusters are left out, and
// fairlead_metrics_clusters_left_out says of how many.
//
// They are not added up under one name: the sum of a lag, an age or a state means
// nothing, and a sum of counters falls when a cluster leaves, which a rate takes for a
// restart. What is true of the whole fleet has metrics without a cluster.
//
// A cluster that is shown stays until it leaves the fleet, so that its series have no gaps.
// Of those that come at the same time the first by name are shown. Gather may be called
// concurrently.
type clusterBound struct {
	from prometheus.Gatherer
	most int // 0: no bound

	mu    sync.Mutex
	shown map[string]bool
}

// clustersLeftOut is the name of the metric that tells of the bound.
const clustersLeftOut = "fairlead_metrics_clusters_left_out"

// newClustersLeftOut returns the metric as it is without a bound; Gather sets it.
func newClustersLeftOut() prometheus.Collector {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Name: clustersLeftOut,
		Help: "Clusters that are in the fleet and not in these metrics, because of --metrics-max-clusters.",
	})
}

// Gather implements prometheus.Gatherer.
func (b *clusterBound) Gather() ([]*dto.MetricFamily, error) {
	families, err := b.from.Gather()
	if b.most == 0 {
		return families, err
	}
	shown, leftOut := b.choose(clustersShown(families))
	for _, f := range families {
		f.Metric = slices.DeleteFunc(f.Metric, func(m *dto.Metric) bool {
			cluster, ok := clusterOf(m)
			return ok && !shown[cluster]
		})
		if f.GetName() == clustersLeftOut {
			f.Metric[0].Gauge.Value = proto.Float64(float64(leftOut))
		}
	}
	// The text format knows no family without a metric.
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 }), err
}

// choose returns the clusters to show of those that there are, and how many others there
// are. The caller must not change the result.
func (b *clusterBound) choose(all map[string]bool) (shown map[string]bool, leftOut int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shown = map[string]bool{} // a new one: another Gather may still read the last one
	for cluster := range b.shown {
		if all[cluster] {
			shown[cluster] = true
		}
	}
	if len(shown) < min(b.most, len(all)) {
		for _, cluster := range slices.Sorted(maps.Keys(all)) {
			if len(shown) == b.most {
				break
			}
			shown[cluster] = true
		}
	}
	b.shown = shown
	return shown, len(all) - len(shown)
}

func clustersShown(families []*dto.MetricFamily) map[string]bool {
	all := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if cluster, ok := clusterOf(m); ok {
				all[cluster] = true
			}
		}
	}
	return all
}

func clusterOf(m *dto.Metric) (cluster string, ok bool) {
	for _, l := range m.GetLabel() {
		if l.GetName() == "cluster" {
			return l.GetValue(), true
		}
	}
	return "", false
}
