package hub

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of one sink.
type metrics struct {
	written, older, skipped, removed prometheus.Counter
}

// newMetrics registers the metrics with reg, unless that is nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	records := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_hub_records_total",
		Help: "Changes that came to records in the hub, by result: written, older (what is there is newer), skipped (Events and records themselves); and removed, the records of deleted objects whose time is over.",
	}, []string{"result"})
	if reg != nil {
		if err := reg.Register(records); err != nil {
			return nil, fmt.Errorf("register metrics of hub records: %w", err)
		}
	}
	return &metrics{
		written: records.WithLabelValues("written"), older: records.WithLabelValues("older"),
		skipped: records.WithLabelValues("skipped"), removed: records.WithLabelValues("removed"),
	}, nil
}
