package stage

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/histogram"
	"github.com/fairlead-dev/fairlead/pipeline"
)

type metrics struct {
	delivered  *prometheus.CounterVec
	failed     *prometheus.CounterVec
	superseded *prometheus.CounterVec
	reread     *prometheus.CounterVec
	lag        *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer, r *refusals) (*metrics, error) {
	m := &metrics{
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_changes_delivered_total",
			Help: "Changes that the sink has durably accepted.",
		}, []string{"cluster", "resource", "op"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_changes_failed_total",
			Help: "Changes that were not accepted and are tried again, by reason: refused (by the sink), put_off (not refused, but written apart later, as the sink refused others with changes of this cluster), interrupted, ledger (it could not be written).",
		}, []string{"cluster", "reason"}),
		superseded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_changes_superseded_total",
			Help: "Changes that were not delivered because a newer state of their object was.",
		}, []string{"cluster"}),
		reread: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_changes_reread_total",
			Help: "Times that a refused change was due whose memory others had been given: its object is read again before the next try.",
		}, []string{"cluster"}),
		lag: histogram.New("fairlead_delivery_lag_seconds",
			"Time from reading a change to its acceptance by the sink.",
			prometheus.ExponentialBuckets(0.001, 4, 10), "cluster"), // 1 ms to 4.4 min
	}
	for _, c := range []prometheus.Collector{m.delivered, m.failed, m.superseded, m.reread, m.lag, &refusedCollector{r}} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the reconcile stage's metrics: %w", err)
		}
	}
	return m, nil
}

// series are those that accepted changes of one kind count in. They are looked up by names,
// which takes longer than to count, and the next change of a delivery is most often of the
// same kind. One goroutine uses them, for one delivery, so that none outlives its cluster for long.
type series struct {
	cluster, resource string
	op                pipeline.Op
	delivered         prometheus.Counter // nil: of none so far
	lag               prometheus.Observer
}

// of makes them those that c counts in.
func (s *series) of(m *metrics, c *pipeline.Change) {
	if s.delivered != nil && s.op == c.Op && s.cluster == c.Key.Cluster && s.resource == c.Key.Resource {
		return
	}
	s.cluster, s.resource, s.op = c.Key.Cluster, c.Key.Resource, c.Op
	s.delivered = m.delivered.WithLabelValues(s.cluster, s.resource, s.op.String())
	s.lag = m.lag.WithLabelValues(s.cluster)
}

var refusedDesc = prometheus.NewDesc("fairlead_changes_refused",
	"Objects of which the sink refused a state and has accepted none since. They are tried again.", []string{"cluster"}, nil)

// refusedCollector tells of the clusters of which something is refused.
type refusedCollector struct{ *refusals }

func (c *refusedCollector) Describe(to chan<- *prometheus.Desc) { to <- refusedDesc }

func (c *refusedCollector) Collect(to chan<- prometheus.Metric) {
	for _, r := range c.list() {
		to <- prometheus.MustNewConstMetric(refusedDesc, prometheus.GaugeValue, float64(r.Changes), r.Cluster)
	}
}
