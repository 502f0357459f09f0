package batch

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/histogram"
)

// Metrics holds the series of all sinks, told apart by the label "sink".
type Metrics struct {
	changes *prometheus.CounterVec
	writes  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	size    *prometheus.HistogramVec
	up      *prometheus.GaugeVec

	bisected *prometheus.CounterVec
	apart    *prometheus.GaugeVec
}

// NewMetrics registers the metrics of sinks with reg. It fails when one of
// their names is taken.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := unregistered()
	for _, c := range []prometheus.Collector{m.changes, m.writes, m.seconds, m.size, m.up, m.bisected, m.apart} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register sink metrics: %w", err)
		}
	}
	return m, nil
}

func unregistered() *Metrics {
	return &Metrics{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_sink_changes_total",
			Help: "Changes written to the sink, by result: accepted, dead_lettered; once per attempt: refused, failed (with the sink as a whole).",
		}, []string{"sink", "result"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_sink_writes_total",
			Help: "Batches written to the sink, by result: ok, partial (some changes refused), failed.",
		}, []string{"sink", "result"}),
		seconds: histogram.New("fairlead_sink_write_seconds",
			"Time that the sink took for one batch.",
			prometheus.ExponentialBuckets(0.0005, 4, 9), "sink"), // 0.5 ms to 33 s
		size: histogram.New("fairlead_sink_batch_changes",
			"Changes in one batch.",
			prometheus.ExponentialBuckets(1, 4, 7), "sink"), // 1 to 4096
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fairlead_sink_up",
			Help: "1 while the sink works, 0 while all writes fail or, before the first one, the check of the destination. For single changes see fairlead_changes_refused.",
		}, []string{"sink"}),
		bisected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_sink_bisected_total",
			Help: "Batches and halves of batches that the destination refused as a whole, so that halves of them were sent to find the changes that it does not accept. What is found is written apart from then on.",
		}, []string{"sink"}),
		apart: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fairlead_sink_clusters_apart",
			Help: "Clusters of which changes are written apart from those of others, because the sink refused batches as a whole for them. /clusters names the clusters.",
		}, []string{"sink"}),
	}
}

// series are the metrics of one sink, looked up once.
type series struct {
	accepted, failed, deadLettered        prometheus.Counter
	refused                               prometheus.Counter
	writesOK, writesPartial, writesFailed prometheus.Counter
	seconds, size                         prometheus.Observer
	up, apart                             prometheus.Gauge
	bisected                              prometheus.Counter
}

func (m *Metrics) of(sink string) *series {
	if m == nil {
		// Series that nobody collects are cheaper than a nil check at each use.
		m = unregistered()
	}
	s := &series{
		accepted:      m.changes.WithLabelValues(sink, "accepted"),
		failed:        m.changes.WithLabelValues(sink, "failed"),
		deadLettered:  m.changes.WithLabelValues(sink, "dead_lettered"),
		refused:       m.changes.WithLabelValues(sink, "refused"),
		writesOK:      m.writes.WithLabelValues(sink, "ok"),
		writesPartial: m.writes.WithLabelValues(sink, "partial"),
		writesFailed:  m.writes.WithLabelValues(sink, "failed"),
		seconds:       m.seconds.WithLabelValues(sink),
		size:          m.size.WithLabelValues(sink),
		up:            m.up.WithLabelValues(sink),
		apart:         m.apart.WithLabelValues(sink),
		bisected:      m.bisected.WithLabelValues(sink),
	}
	s.up.Set(1)
	return s
}
