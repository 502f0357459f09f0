package nats

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/collectors"
)

// metrics count what is sent to servers.
type metrics struct {
	accepted, known, failed prometheus.Counter
	made, refused           prometheus.Counter
}

// newMetrics returns metrics that are registered with r, unless that is nil. After an error
// none of them is.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_nats_messages_total",
		Help: "Messages sent to NATS, by result: accepted; known, of what the stream has already and has dropped; failed, with no answer or a refusal. A bucket refuses also what was compared with an old revision, which is compared again.",
	}, []string{"result"})
	connections := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_nats_connections_total",
		Help: "Connections to servers of NATS, by result: made, failed. One that has had an error is never mended: the next write makes another one.",
	}, []string{"result"})
	m := &metrics{
		accepted: messages.WithLabelValues("accepted"), known: messages.WithLabelValues("known"), failed: messages.WithLabelValues("failed"),
		made: connections.WithLabelValues("made"), refused: connections.WithLabelValues("failed"),
	}
	if err := collectors.Register(r, "a sink of NATS", messages, connections); err != nil {
		return nil, err
	}
	return m, nil
}

// count counts what became of a round of messages.
func (m *metrics) count(accepted, known, failed int) {
	m.accepted.Add(float64(accepted))
	m.known.Add(float64(known))
	m.failed.Add(float64(failed))
}
