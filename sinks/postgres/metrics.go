package postgres

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/collectors"
)

// metrics are those of one sink, looked up once. Whoever passes the registerer labels
// them.
type metrics struct {
	altered prometheus.Counter
	rows    *prometheus.CounterVec
	purged  *prometheus.CounterVec
	failed  prometheus.Counter
}

// newMetrics registers the metrics, unless reg is nil.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		altered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_postgres_altered_objects_total",
			Help: "Objects that were written with U+FFFD in place of what PostgreSQL cannot store: the zero character, and halves of surrogate pairs.",
		}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_postgres_rows_total",
			Help: "Rows by table (state, history) and result: written; known, of what the table has already, or has a later state of.",
		}, []string{"table", "result"}),
		purged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_postgres_purged_rows_total",
			Help: "Rows that were removed after their retention, by table (state, history).",
		}, []string{"table"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "fairlead_postgres_purge_failures_total",
			Help: "Attempts to remove rows after their retention that failed.",
		}),
	}
	if err := collectors.Register(reg, "a sink in PostgreSQL", m.altered, m.rows, m.purged, m.failed); err != nil {
		return nil, err
	}
	return m, nil
}

// wrote counts what became of the rows of a batch.
func (m *metrics) wrote(table string, rows, written int) {
	m.rows.WithLabelValues(table, "written").Add(float64(written))
	m.rows.WithLabelValues(table, "known").Add(float64(max(rows-written, 0)))
}
