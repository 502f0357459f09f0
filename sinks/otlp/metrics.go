package otlp

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
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
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.rejected} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of a sink of OTLP: %w", err)
		}
	}
	return m, nil
}
