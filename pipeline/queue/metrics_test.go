package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
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
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestQueueCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		buckets := ratelimit.New(ratelimit.Limit{QPS: 0.001, Burst: 1})
		q := newStateQueue(queue.Options[state, string]{LaneCapacity: 3, Buckets: buckets, SnapshotBuckets: buckets})
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(queue.NewCollector(q.Lanes))
		q.Lanes() // from now on durations are measured

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
			`fairlead_lane_bytes{cluster=a}`:                                   62,
			`fairlead_lane_delayed{cluster=a}`:                                 1,
			`fairlead_lane_depth{class=live,cluster=a}`:                        2,
			`fairlead_lane_depth{class=snapshot,cluster=a}`:                    1,
			`fairlead_lane_in_flight{cluster=a}`:                               1,
			`fairlead_throttled_seconds_total{cluster=a}`:                      2,
			`fairlead_throttled_total{cluster=a}`:                              1,
			`fairlead_workqueue_adds_total{cluster=a}`:                         6,
			`fairlead_workqueue_handed_out_total{cluster=a}`:                   1,
			`fairlead_workqueue_queue_duration_seconds{cluster=a}`:             1,
			`fairlead_workqueue_retries_total{cluster=a}`:                      1,
			`fairlead_workqueue_unfinished_work_seconds{cluster=a}`:            2,
			`fairlead_workqueue_work_duration_seconds{cluster=a}`:              0,
		})
		q.Done(working)
		if err := q.RemoveCluster(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		equal(t, "series of a removed cluster", series(t, registry), map[string]float64{})
		q.Add(state{cluster: "no \xff text"})
		equal(t, "number of series of a cluster with a bad name", len(series(t, registry)), 17)
		q.ShutDown()
		synctest.Wait()
		if blocked.blocked() {
			t.Error("an Offer is still blocked")
		}
	})
}

// What an item waits for and how long the work on it takes is told by cluster,
// in tens from a millisecond on and by powers of two seconds.
func TestDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.Add("a/before")
		before, _ := q.Get()
		equal(t, "at first", lane(q, "a").Waited, queue.Durations{})
		time.Sleep(time.Second)
		q.Done(before)
		q.Add("a/x")
		time.Sleep(time.Minute)
		x, _ := q.Get()
		q.Add(x) // waits for Done
		time.Sleep(5 * time.Millisecond)
		equal(t, "unfinished", lane(q, "a").Unfinished, 5*time.Millisecond)
		q.Done(x)
		x, _ = q.Get()
		q.AddAfter(x, time.Hour) // is not waiting
		q.Done(x)
		x, _ = q.Get()
		time.Sleep(time.Hour)
		q.Done(x)
		s := lane(q, "a")
		equal(t, "waited", s.Waited, queue.Durations{
			Counts: [7]uint64{1, 1, 0, 0, 0, 1, 0}, Powers: [48]uint64{0: 1, 6: 1, 19: 1}, Sum: time.Minute + 5*time.Millisecond,
		})
		equal(t, "worked", s.Worked, queue.Durations{
			Counts: [7]uint64{1, 1, 0, 0, 0, 0, 1}, Powers: [48]uint64{0: 1, 6: 1, 25: 1}, Sum: time.Hour + 5*time.Millisecond,
		})
		equal(t, "times worked", s.Worked.Count(), uint64(3))
		equal(t, "unfinished in the end", s.Unfinished, time.Duration(0))
	})
}

// Two queues share a registry, also when they have clusters in common.
func TestQueuesShareARegistry(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"one", "two"} {
		q := newNameQueue(queue.Options[string, string]{Name: name})
		registry.MustRegister(queue.NewNamedCollector(q.Name(), q.Lanes))
		fill(q, "a", 2)
	}
	all := series(t, registry)
	for _, name := range []string{"one", "two"} {
		equal(t, "depth", all["fairlead_lane_depth{class=live,cluster=a,name="+name+"}"], 2.0)
	}
}
