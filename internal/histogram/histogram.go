// Package histogram makes histograms of both kinds that Prometheus knows.
//
//	Observe ──▶ classic buckets ──▶ text, and protobuf
//	       └──▶ native buckets  ──▶ protobuf, if Prometheus asks for it
//
// Classic buckets are what every Prometheus reads, and every dashboard is made for. Native
// ones tell a quantile within a tenth of its value wherever it lies, at a tenth of the
// series. A Prometheus with scrape_native_histograms set keeps those, and with
// always_scrape_classic_histograms both.
//
// The result may be used by any goroutine.
package histogram

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// growth is by how much a native bucket is wider than the one before, at most.
	growth = 1.1
	// mostBuckets bounds the native buckets of one series; above it they get wider. A
	// factor of ten million between the smallest and the largest value takes 190.
	mostBuckets = 200
	// reset is after how long native buckets may be emptied, rather than be made wider.
	reset = time.Hour
)

// New returns histograms by labels, with the upper bounds of the classic buckets in the
// unit that the name says.
func New(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     growth,
		NativeHistogramMaxBucketNumber:  mostBuckets,
		NativeHistogramMinResetDuration: reset,
	}, labels)
}
