package s3

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/collectors"
)

// metrics count what is stored, for which a store charges.
type metrics struct {
	stored, failed          prometheus.Counter
	storedBytes, plainBytes prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	segments := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_s3_segments_total",
		Help: "Segments written to S3, by result: stored, failed. Each is one PUT.",
	}, []string{"result"})
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_s3_bytes_total",
		Help: "Bytes of the segments stored in S3, by form: events (before compression), stored.",
	}, []string{"form"})
	m := &metrics{
		stored: segments.WithLabelValues("stored"), failed: segments.WithLabelValues("failed"),
		storedBytes: bytes.WithLabelValues("stored"), plainBytes: bytes.WithLabelValues("events"),
	}
	if err := collectors.Register(r, "a sink in S3", segments, bytes); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *metrics) written(stored, plain int) {
	m.stored.Inc()
	m.storedBytes.Add(float64(stored))
	m.plainBytes.Add(float64(plain))
}
