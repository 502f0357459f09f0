package batch

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Written counts the batches that have been handed to the sink, and the changes in them. A
// batch that is written again counts again. Any goroutine may call it.
func (b *Batcher) Written() (batches, changes uint64) {
	var m dto.Metric
	sizes, ok := b.metrics.size.(prometheus.Metric)
	if !ok || sizes.Write(&m) != nil {
		return 0, 0 // histograms can be read
	}
	h := m.GetHistogram()
	return h.GetSampleCount(), uint64(h.GetSampleSum())
}
