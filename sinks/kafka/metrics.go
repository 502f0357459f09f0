package kafka

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/collectors"
)

// metrics count what is sent to brokers. The producer calls its methods, from any
// goroutine.
type metrics struct {
	bytes                  *prometheus.CounterVec
	plain, sent, throttled prometheus.Counter
}

var (
	_ kgo.HookProduceBatchWritten = (*metrics)(nil)
	_ kgo.HookBrokerThrottle      = (*metrics)(nil)
)

func newMetrics() *metrics {
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_kafka_bytes_total",
		Help: "Bytes of the records that brokers of Kafka have acknowledged, by form: records (before compression), sent.",
	}, []string{"form"})
	return &metrics{
		bytes: bytes, plain: bytes.WithLabelValues("records"), sent: bytes.WithLabelValues("sent"),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_kafka_throttled_seconds_total",
			Help: "Time for which brokers of Kafka have had the sink wait, because of their quotas.",
		}),
	}
}

// register registers the metrics with r, unless that is nil. After an error none of them is.
func (m *metrics) register(r prometheus.Registerer) error {
	return collectors.Register(r, "a sink of Kafka", m.bytes, m.throttled)
}

// OnProduceBatchWritten is called for each batch that a partition has taken.
func (m *metrics) OnProduceBatchWritten(_ kgo.BrokerMetadata, _ string, _ int32, of kgo.ProduceBatchMetrics) {
	m.plain.Add(float64(of.UncompressedBytes))
	m.sent.Add(float64(of.CompressedBytes))
}

// OnBrokerThrottle is called for each answer that asks to wait.
func (m *metrics) OnBrokerThrottle(_ kgo.BrokerMetadata, wait time.Duration, _ bool) {
	m.throttled.Add(wait.Seconds())
}
