package memberstatus

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of one writer.
type metrics struct {
	writes  *prometheus.CounterVec
	errors  prometheus.Counter
	pending prometheus.Gauge
}

func newMetrics() *metrics {
	return &metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_member_status_writes_total",
			Help: "Writes of the status of members to the hub, by what was done: create, update (of a status), delete.",
		}, []string{"op"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_member_status_errors_total",
			Help: "Rounds of writing the status of members to the hub that failed; they are repeated.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fairlead_member_status_pending",
			Help: "Members whose status in the hub is out of date, as of the last look.",
		}),
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.writes, m.errors, m.pending}
}

// Describe implements prometheus.Collector.
func (w *Writer) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range w.metrics.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector. Any goroutine may call it.
func (w *Writer) Collect(ch chan<- prometheus.Metric) {
	for _, c := range w.metrics.all() {
		c.Collect(ch)
	}
}
