package pipeline_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// series gathers all series, by name and labels.
func series(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

func TestQueueCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newStateQueue(pipeline.QueueOptions[state, string]{
			LaneCapacity: 3, Buckets: ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 1}),
		})
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(pipeline.NewQueueCollector(q.Lanes))

		q.Add(v("x", 1))
		working, _ := q.Get()
		q.Add(v("x", 10))
		q.Add(v("y", 1))
		q.Add(v("y", 20))
		q.AddWithOpts(opts{Priority: new(low)}, v("z", 30))
		q.AddAfter(v("delayed", 1), time.Hour)
		blocked := offer(t, q, v("blocked", 1), 0)
		go q.Get() // finds no token
		time.Sleep(2 * time.Second)

		equal(t, "series", series(t, registry), map[string]float64{
			`fairlead_backpressure_seconds_total{cluster=a}`:                   2,
			`fairlead_changes_coalesced_total{cluster=a}`:                      1,
			`fairlead_changes_dropped_total{cluster=a,reason=cluster_removed}`: 0,
			`fairlead_changes_dropped_total{cluster=a,reason=shutdown}`:        0,
			`fairlead_lane_bytes{cluster=a}`:                                   60,
			`fairlead_lane_delayed{cluster=a}`:                                 1,
			`fairlead_lane_depth{class=live,cluster=a}`:                        2,
			`fairlead_lane_depth{class=snapshot,cluster=a}`:                    1,
			`fairlead_lane_in_work{cluster=a}`:                                 1,
			`fairlead_throttled_seconds_total{cluster=a}`:                      2,
			`fairlead_throttled_total{cluster=a}`:                              1,
		})
		q.Done(working)
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		equal(t, "series of a removed cluster", series(t, registry), map[string]float64{})
		q.Add(state{cluster: "no \xff text"})
		equal(t, "number of series of a cluster with a bad name", len(series(t, registry)), 11)
		q.ShutDown()
		synctest.Wait()
		if blocked.blocked() {
			t.Error("an Offer is still blocked")
		}
	})
}
