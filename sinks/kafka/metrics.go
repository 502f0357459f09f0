package kafka

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// metrics count what is sent to brokers. The producer calls its methods, from any
// goroutine.
type metrics struct {
	plain, sent, throttled prometheus.Counter
}

var (
	_ kgo.HookProduceBatchWritten = (*metrics)(nil)
	_ kgo.HookBrokerThrottle      = (*metrics)(nil)
)

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_kafka_bytes_total",
		Help: "Bytes of the records that brokers of Kafka have acknowledged, by form: records (before compression), sent.",
	}, []string{"form"})
	m := &metrics{
		plain: bytes.WithLabelValues("records"), sent: bytes.WithLabelValues("sent"),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_kafka_throttled_seconds_total",
			Help: "Time for which brokers of Kafka have had the sink wait, because of their quotas.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{bytes, m.throttled} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of a sink of Kafka: %w", err)
		}
	}
	return m, nil
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
