package ledger

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector tells where a ledger's store stands, as metrics. Without a store it
// tells nothing.
type Collector struct {
	status func() (Status, bool)
	size   func() int64
}

// NewCollector returns a collector of what status returns and, unless size is
// nil, of the store's size in bytes. Both are called at each scrape and may be
// called at once by several.
func NewCollector(status func() (Status, bool), size func() int64) *Collector {
	return &Collector{status, size}
}

var (
	upMetric      = prometheus.NewDesc("fairlead_ledger_up", "1 if the last transaction of the ledger succeeded, 0 while it cannot be written and delivery pauses.", nil, nil)
	writesMetric  = prometheus.NewDesc("fairlead_ledger_writes_total", "Transactions of the ledger, by result: ok, failed.", []string{"result"}, nil)
	recordsMetric = prometheus.NewDesc("fairlead_ledger_records_total", "Records of objects that the ledger has written.", nil, nil)
	ageMetric     = prometheus.NewDesc("fairlead_ledger_last_write_age_seconds", "Time since the ledger's last successful transaction. Nothing is written while nothing changes.", nil, nil)
	bytesMetric   = prometheus.NewDesc("fairlead_ledger_bytes", "Size of the ledger's store.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upMetric, writesMetric, recordsMetric, ageMetric, bytesMetric} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	s, ok := c.status()
	if !ok {
		return
	}
	up := 0.0
	if s.Healthy {
		up = 1
	}
	metrics <- prometheus.MustNewConstMetric(upMetric, prometheus.GaugeValue, up)
	metrics <- prometheus.MustNewConstMetric(writesMetric, prometheus.CounterValue, float64(s.Writes), "ok")
	metrics <- prometheus.MustNewConstMetric(writesMetric, prometheus.CounterValue, float64(s.Failures), "failed")
	metrics <- prometheus.MustNewConstMetric(recordsMetric, prometheus.CounterValue, float64(s.Records))
	if !s.Written.IsZero() {
		metrics <- prometheus.MustNewConstMetric(ageMetric, prometheus.GaugeValue, time.Since(s.Written).Seconds())
	}
	if c.size != nil {
		metrics <- prometheus.MustNewConstMetric(bytesMetric, prometheus.GaugeValue, float64(c.size()))
	}
}
