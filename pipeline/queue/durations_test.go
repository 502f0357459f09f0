package queue

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestDurationsAreNative: durations are counted in both kinds of buckets as Prometheus's own
// histogram counts them.
func TestDurationsAreNative(t *testing.T) {
	bounds := make([]float64, len(durationBounds))
	for i, bound := range durationBounds {
		bounds[i] = bound.Seconds()
	}
	all := []time.Duration{0, 1, math.MaxInt64}
	for power := time.Second / 512; power > 0 && power < math.MaxInt64/4; power *= 2 { // a whole number of nanoseconds
		all = append(all, power-1, power, power+1)
	}
	for took := time.Microsecond; took > 0 && took < math.MaxInt64/4; took += took/7 + 1 {
		all = append(all, took)
	}
	for name, some := range map[string][]time.Duration{
		"none": nil, "shortest": {0, time.Microsecond}, "longest": {math.MaxInt64}, "in between": {time.Second, time.Second, 3 * time.Second}, "far apart": {time.Millisecond, time.Hour}, "all": all,
	} {
		t.Run(name, func(t *testing.T) {
			theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: bounds, NativeHistogramBucketFactor: 2, NativeHistogramZeroThreshold: math.Ldexp(1, leastPower)})
			var d Durations
			for _, took := range some {
				theirs.Observe(took.Seconds())
				d.observe(took)
			}
			ours := d.metric(prometheus.NewDesc("h", "", []string{"cluster"}, nil), "a")
			if diff := cmp.Diff(counted(t, theirs), counted(t, ours)); diff != "" {
				t.Errorf("theirs and ours (-, +):\n%s", diff)
			}
		})
	}
}

// counts are what a histogram tells, without how that is written.
type counts struct {
	Count, Zero uint64
	Schema      int32
	Threshold   float64
	Classic     map[float64]uint64
	Native      map[int32]int64 // by index, without those that are empty
}

func counted(t *testing.T, m prometheus.Metric) counts {
	t.Helper()
	var written dto.Metric
	if err := m.Write(&written); err != nil {
		t.Fatal(err)
	}
	h := written.GetHistogram()
	if h.Schema == nil {
		t.Fatal("there are no native buckets")
	}
	c := counts{
		Count: h.GetSampleCount(), Zero: h.GetZeroCount(), Schema: h.GetSchema(), Threshold: h.GetZeroThreshold(),
		Classic: map[float64]uint64{}, Native: map[int32]int64{},
	}
	for _, b := range h.GetBucket() {
		c.Classic[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	index, n, deltas := int32(0), int64(0), h.GetPositiveDelta()
	for _, span := range h.GetPositiveSpan() {
		index += span.GetOffset()
		for range span.GetLength() {
			if n, deltas = n+deltas[0], deltas[1:]; n != 0 {
				c.Native[index] = n
			}
			index++
		}
	}
	if len(deltas) > 0 {
		t.Errorf("%d buckets are in no span", len(deltas))
	}
	return c
}
