package cache

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shownStates are the states that a member of the fleet can have.
var shownStates = []State{Connecting, Syncing, Live, Stale, BackingOff}

var (
	stateMetric = prometheus.NewDesc("fairlead_cache_state", "State of a member's caches: 1 for the current one, 0 for the others.", []string{"cluster", "state"}, nil)
	ageMetric   = prometheus.NewDesc("fairlead_cache_age_seconds", "How old the answers of reads from a member's caches may be; there is none before they have synced.", []string{"cluster"}, nil)
)

// Collector tells Prometheus of a fleet's caches. It keeps nothing itself: the
// series of a member are gone with the member.
type Collector struct{ fleet *Fleet }

// NewCollector returns a collector of a fleet's caches.
func NewCollector(f *Fleet) *Collector { return &Collector{f} }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- stateMetric
	ch <- ageMetric
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, name := range c.fleet.Clusters() {
		s := c.fleet.State(name)
		if s.State == Gone {
			continue // meanwhile
		}
		for _, state := range shownStates {
			value := 0.0
			if s.State == state {
				value = 1
			}
			ch <- prometheus.MustNewConstMetric(stateMetric, prometheus.GaugeValue, value, name, string(state))
		}
		if !s.AsOf.IsZero() {
			ch <- prometheus.MustNewConstMetric(ageMetric, prometheus.GaugeValue, time.Since(s.AsOf).Seconds(), name)
		}
	}
}
