package trace

import "github.com/prometheus/client_golang/prometheus"

// Why spans are dropped.
const (
	droppedQueue    = "queue"    // they wait faster than they are sent
	droppedRate     = "rate"     // more changes would be traced than may be
	droppedReceiver = "receiver" // it cannot be reached, or refuses them
)

// metrics are those of one tracer.
type metrics struct {
	sent    prometheus.Counter
	dropped *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_trace_spans_total",
			Help: "Spans that the receiver of traces has accepted.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_trace_spans_dropped_total",
			Help: "Spans of traced changes that were not sent, by reason: queue (more than can be sent), rate (more changes than may be traced in a second), receiver (it cannot be reached, or refuses them).",
		}, []string{"reason"}),
	}
	for _, reason := range []string{droppedQueue, droppedRate, droppedReceiver} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}
