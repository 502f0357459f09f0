package histogram

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestBothKinds(t *testing.T) {
	h := New("h_seconds", "For a test.", []float64{1, 10}, "of").WithLabelValues("a").(prometheus.Histogram)
	for value := 1e-4; value < 1e2; value *= 1.01 {
		h.Observe(value)
	}
	var m dto.Metric
	if err := h.Write(&m); err != nil {
		t.Fatal(err)
	}
	got := m.GetHistogram()
	if n := len(got.GetBucket()); n != 2 {
		t.Errorf("%d classic buckets, want the two that were asked for", n)
	}
	if growth := math.Exp2(math.Exp2(-float64(got.GetSchema()))); growth > 1.1 {
		t.Errorf("native buckets grow by %v", growth)
	}
	native := uint32(0)
	for _, span := range got.GetPositiveSpan() {
		native += span.GetLength()
	}
	if native < 100 || native > mostBuckets {
		t.Errorf("%d native buckets", native)
	}
}

// BenchmarkObserve is what the native buckets cost beside the classic ones.
func BenchmarkObserve(b *testing.B) {
	buckets := prometheus.ExponentialBuckets(0.001, 4, 10)
	for name, vec := range map[string]*prometheus.HistogramVec{
		"both": New("h_seconds", "For a test.", buckets, "of"),
		"classic": prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "h_seconds", Help: "For a test.", Buckets: buckets,
		}, []string{"of"}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			h, i := vec.WithLabelValues("a"), 0
			for b.Loop() {
				h.Observe(float64(i%1000) / 100)
				i++
			}
		})
	}
}
