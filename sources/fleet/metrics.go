package fleet

import "github.com/prometheus/client_golang/prometheus"

var (
	membersDesc = prometheus.NewDesc("fairlead_fleet_members",
		"Clusters in the fleet, reachable or not.", nil, nil)
	problemsDesc = prometheus.NewDesc("fairlead_fleet_problems",
		"Descriptions of clusters that cannot be used, by the value of --clusters that they come from.", []string{"source"}, nil)
	eventsDroppedDesc = prometheus.NewDesc("fairlead_fleet_events_dropped_total",
		"Kubernetes Events about descriptions of clusters that could not be written to the hub.", nil, nil)
)

// collector reads a fleet's state at scrape.
type collector struct{ fleet *Fleet }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- membersDesc
	ch <- problemsDesc
	ch <- eventsDroppedDesc
}

// Collect implements prometheus.Collector. Every provider has a series, also
// without problems, so that alerts have something to compare with.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	perProvider := make([]int, len(c.fleet.opts.Providers))
	c.fleet.mu.Lock()
	size := c.fleet.size
	for key := range c.fleet.problems {
		perProvider[key.ref.provider]++
	}
	c.fleet.mu.Unlock()

	ch <- prometheus.MustNewConstMetric(membersDesc, prometheus.GaugeValue, float64(size))
	for i, p := range c.fleet.opts.Providers {
		ch <- prometheus.MustNewConstMetric(problemsDesc, prometheus.GaugeValue, float64(perProvider[i]), p.String())
	}
	dropped := int64(0)
	if e := c.fleet.events; e != nil {
		dropped = e.dropped.Load()
	}
	ch <- prometheus.MustNewConstMetric(eventsDroppedDesc, prometheus.CounterValue, float64(dropped))
}
