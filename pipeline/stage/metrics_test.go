package stage

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// The changes of one delivery count as what they are, each of them, in whichever order they come.
func TestSeriesAreThoseOfEachChange(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry(), newRefusals())
	if err != nil {
		t.Fatal(err)
	}
	type kind struct {
		cluster, resource string
		op                pipeline.Op
	}
	a := kind{"a", "pods", pipeline.Added}
	all := []kind{a, a, {"b", "pods", pipeline.Added}, a, {"a", "nodes", pipeline.Added}, a, {"a", "pods", pipeline.Deleted}, a}
	want := map[kind]int{}
	var last series
	for _, k := range all {
		want[k]++
		last.of(m, &pipeline.Change{Key: pipeline.Key{Cluster: k.cluster, Resource: k.resource}, Op: k.op})
		last.delivered.Inc()
		last.lag.Observe(1)
	}
	for k, n := range want {
		if got := testutil.ToFloat64(m.delivered.WithLabelValues(k.cluster, k.resource, k.op.String())); got != float64(n) {
			t.Errorf("%v: %v, want %d", k, got, n)
		}
	}
	if n := testutil.CollectAndCount(m.lag); n != 2 {
		t.Errorf("the lag of %d clusters is counted, want 2", n)
	}
}
