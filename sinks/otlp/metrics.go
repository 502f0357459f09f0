package otlp

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/collectors"
)

type metrics struct {
	requests *prometheus.CounterVec
	rejected prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_otlp_requests_total",
			Help: "Requests sent by OTLP, by status of the answer; none: there was no answer.",
		}, []string{"status"}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_otlp_rejected_total",
			Help: "Log records that the receiver has rejected of requests that it accepted. They are lost there.",
		}),
	}
	if err := collectors.Register(r, "a sink of OTLP", m.requests, m.rejected); err != nil {
		return nil, err
	}
	return m, nil
}
