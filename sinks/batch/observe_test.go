package batch

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestMetricsAndLogsTellOfTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		metrics, err := NewMetrics(reg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewMetrics(reg); err == nil {
			t.Error("registered twice")
		}
		var logs []string
		log := funcr.New(func(_, args string) {
			if at := strings.Index(args, ` "after"`); at > 0 {
				args = args[:at]
			}
			logs = append(logs, args)
		}, funcr.Options{})
		n := 0
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if n++; n < 10 {
				return errors.New("down")
			}
			return failing(batch, map[string]error{"b1": errors.New("conflict"), "c1": pipeline.Permanent(errors.New("bad"))})
		}}
		b, stop := start(t, sink, Options{MinBatch: 3, Metrics: metrics, Log: log, DeadLetter: func(*pipeline.Change, error, int) error { return nil }})
		if up := gather(t, reg)["fairlead_sink_up"]; up != 1 {
			t.Errorf("up = %v before anything failed", up)
		}
		outcomeOf(t, b, change("a", 1), change("b", 1), change("c", 1))
		if err := b.Deliver(t.Context(), taken(t), change("a", 2)); err != nil {
			t.Fatal(err)
		}
		stop()
		var batches, changes uint64
		for _, batch := range sink.written() {
			batches, changes = batches+1, changes+uint64(len(batch))
		}
		if gotBatches, gotChanges := b.Written(); gotBatches != batches || gotChanges != changes || batches < 11 {
			t.Errorf("%d batches with %d changes are counted, of %d with %d", gotBatches, gotChanges, batches, changes)
		}
		if diff := cmp.Diff([]string{
			`"msg"="Sink fails; what it has not accepted is tried again" "error"="down" "sink"="test"`,
			`"level"=0 "msg"="Sink has recovered" "sink"="test"`,
		}, logs); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
		want := map[string]float64{
			"fairlead_sink_changes_total accepted":      2,
			"fairlead_sink_changes_total failed":        3*3 + 6, // after three it is tried with one
			"fairlead_sink_changes_total refused":       1,
			"fairlead_sink_changes_total dead_lettered": 1,
			"fairlead_sink_writes_total ok":             2,
			"fairlead_sink_writes_total partial":        1,
			"fairlead_sink_writes_total failed":         9,
			"fairlead_sink_write_seconds":               12, // observations
			"fairlead_sink_batch_changes":               12,
			"fairlead_sink_up":                          1,
			"fairlead_sink_bisected_total":              0,
			"fairlead_sink_clusters_apart":              0,
		}
		if diff := cmp.Diff(want, gather(t, reg)); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}

// gather returns the value of each series of the sink "test", by name and
// result.
func gather(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() == "sink" && l.GetValue() != "test" {
					t.Errorf("%s of sink %q", name, l.GetValue())
				}
				if l.GetName() == "result" {
					name += " " + l.GetValue()
				}
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// nothing accepts everything.
type nothing struct{}

func (nothing) Write(context.Context, []*pipeline.Change) error { return nil }

func TestDeliverReusesItsMemory(t *testing.T) {
	b, _ := start(t, nothing{}, Options{})
	c, tell := change("a", 1), taken(t)
	// Three without reuse, none with it; under the race detector a sync.Pool
	// forgets some of what it is given.
	if n := testing.AllocsPerRun(1000, func() {
		if err := b.Deliver(t.Context(), tell, c); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations per delivery", n)
	}
}

func BenchmarkDeliver(b *testing.B) {
	batcher := New("bench", nothing{}, Options{})
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- batcher.Run(ctx) }()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		c, tell := change("a", 1), taken(b)
		for pb.Next() {
			if err := batcher.Deliver(ctx, tell, c); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
