package httpsink

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts the requests of one sink.
type metrics struct{ requests *prometheus.CounterVec }

// newMetrics registers with reg, unless that is nil or another sink has.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_http_requests_total",
		Help: "Requests of an HTTP sink, by the status of the answer; none: there was no answer.",
	}, []string{"code"})}
	if reg == nil {
		return m, nil
	}
	if err := reg.Register(m.requests); err != nil {
		taken, is := errors.AsType[prometheus.AlreadyRegisteredError](err)
		vec, ours := taken.ExistingCollector.(*prometheus.CounterVec)
		if !is || !ours {
			return nil, fmt.Errorf("register the metrics of an HTTP sink: %w", err)
		}
		m.requests = vec
	}
	return m, nil
}

// count counts a request. A server can answer with any number, and makes no series of it.
func (m *metrics) count(status int) {
	code := "none"
	switch {
	case http.StatusText(status) != "":
		code = strconv.Itoa(status)
	case status != 0:
		code = "other"
	}
	m.requests.WithLabelValues(code).Inc()
}
