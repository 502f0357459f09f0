package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

var pausedDesc = prometheus.NewDesc("fairlead_paused",
	"1 for each cluster, resource of a cluster or route that an operator has paused.",
	[]string{"cluster", "resource", "route", "mode"}, nil)

// pausedCollector tells of what operators have paused.
type pausedCollector struct{ paused func() []api.Pause }

// Describe implements prometheus.Collector.
func (pausedCollector) Describe(to chan<- *prometheus.Desc) { to <- pausedDesc }

// Collect implements prometheus.Collector.
func (c pausedCollector) Collect(to chan<- prometheus.Metric) {
	for _, p := range c.paused() {
		to <- prometheus.MustNewConstMetric(pausedDesc, prometheus.GaugeValue, 1, p.Cluster, p.Resource, p.Route, p.Mode)
	}
}
