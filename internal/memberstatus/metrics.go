package memberstatus

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

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

func (m *metrics) register(reg prometheus.Registerer) error {
	for _, c := range m.all() {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics of the status of members: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	for _, c := range m.all() {
		reg.Unregister(c)
	}
}
