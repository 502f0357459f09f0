package budget

import "github.com/prometheus/client_golang/prometheus"

// budgetCollector reads a budget whenever it is scraped.
type collector struct {
	stats          func() Stats
	inWork         func() int64
	bytes, waiting *prometheus.Desc
}

// NewCollector returns a collector of how a budget stands. inWork tells how many
// bytes of what it holds are in work, over all routes: what several have in work counts
// once for each, as far as it is held.
func NewCollector(stats func() Stats, inWork func() int64) prometheus.Collector {
	return &collector{
		stats: stats, inWork: inWork,
		bytes: prometheus.NewDesc("fairlead_memory_budget_bytes",
			"Memory of all that is read, waits or is in work, over all routes and clusters, by use: limit is what may be used; "+
				"reading is for frames that are being read, waiting for changes that wait, in_flight for those that are being worked on.",
			[]string{"use"}, nil),
		waiting: prometheus.NewDesc("fairlead_memory_budget_waiting_lanes",
			"Lanes for which somebody waits for memory of the budget, and does not read on.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.bytes
	ch <- c.waiting
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	inFlight, s := c.inWork(), c.stats()
	inFlight = min(inFlight, s.Held) // what has been acked meanwhile
	for use, n := range map[string]int64{"limit": s.Limit, "reading": s.Reading, "waiting": s.Held - inFlight, "in_flight": inFlight} {
		ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(n), use)
	}
	ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(s.Waiting))
}
