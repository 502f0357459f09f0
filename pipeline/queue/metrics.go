package queue

import (
	"math"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// collector reads the lanes whenever it is scraped, so that the series of
// a removed cluster end by themselves and an item costs no metric's lock.
type collector struct {
	stats func() []LaneStats

	depth, bytes, delayed, inWork, coalesced, dropped,
	backpressure, throttledSeconds, throttled,
	adds, handedOut, retries, waited, worked, unfinished *prometheus.Desc
}

// NewCollector returns a collector of the queue metrics of every cluster,
// over what stats returns: the Lanes method of a queue. Their names all begin
// with fairlead_; those that client-go has for its queues are called as there
// behind that, fairlead_workqueue_adds_total say, because a registry holds one
// name with one set of labels, and controller-runtime's has client-go's already.
// A cluster has 33 series, which end when its lane is freed.
func NewCollector(stats func() []LaneStats) prometheus.Collector {
	return newCollector(stats, nil)
}

// NewNamedCollector is NewCollector with the label name on all series,
// so that several queues share a registry: all of them with names of their own.
//
//	NewQueue: caches.FairRequests(limit, 2, func(q *queue.Queue[queue.Request, queue.Request]) {
//		metrics.Registry.MustRegister(queue.NewNamedCollector(q.Name(), q.Lanes))
//	})
func NewNamedCollector(name string, stats func() []LaneStats) prometheus.Collector {
	return newCollector(stats, prometheus.Labels{"name": strings.ToValidUTF8(name, "\uFFFD")})
}

func newCollector(stats func() []LaneStats, constant prometheus.Labels) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("fairlead_"+name, help, append([]string{"cluster"}, labels...), constant)
	}
	return &collector{
		stats:        stats,
		depth:        desc("lane_depth", "Changes that wait in the cluster's lane, by class: live (from a watch) or snapshot (from a list).", "class"),
		bytes:        desc("lane_bytes", "Bytes of the cluster's changes that wait, are delayed or are being delivered."),
		delayed:      desc("lane_delayed", "Changes of the cluster that are tried again later."),
		inWork:       desc("lane_in_flight", "Changes of the cluster that are being delivered."),
		coalesced:    desc("changes_coalesced_total", "Changes that a newer state of the same object replaced while they waited."),
		dropped:      desc("changes_dropped_total", "Changes dropped before they were delivered, by reason: cluster_removed or shutdown. After a restart they are read again.", "reason"),
		backpressure: desc("backpressure_seconds_total", "Seconds for which the cluster's full lane stopped the reading of at least one of its streams."),
		throttledSeconds: desc("throttled_seconds_total",
			"Seconds for which changes of the cluster waited only because its token bucket was empty."),
		throttled: desc("throttled_total", "Times that it was the cluster's turn but its token bucket was empty."),
		adds:      desc("workqueue_adds_total", "Changes that were added for the cluster, including retries and those that replaced another one."),
		handedOut: desc("workqueue_handed_out_total", "Changes of the cluster that a worker took."),
		retries:   desc("workqueue_retries_total", "Changes of the cluster that were put back, to be tried again later."),
		waited:    desc("workqueue_queue_duration_seconds", "Time that changes of the cluster waited for a worker."),
		worked:    desc("workqueue_work_duration_seconds", "Time that a worker had changes of the cluster."),
		unfinished: desc("workqueue_unfinished_work_seconds",
			"Sum of the times for which workers have had the changes of the cluster that they have now. It grows while a worker is stuck."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.depth, c.bytes, c.delayed, c.inWork, c.coalesced, c.dropped,
		c.backpressure, c.throttledSeconds, c.throttled,
		c.adds, c.handedOut, c.retries, c.waited, c.worked, c.unfinished,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.stats() {
		// A name that is no text would make the whole scrape fail.
		cluster := strings.ToValidUTF8(s.Cluster, "\uFFFD")
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{cluster}, labels...)...)
		}
		counter := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{cluster}, labels...)...)
		}
		gauge(c.depth, float64(s.Live), "live")
		gauge(c.depth, float64(s.Snapshot), "snapshot")
		gauge(c.bytes, float64(s.Bytes))
		gauge(c.delayed, float64(s.Delayed))
		gauge(c.inWork, float64(s.InFlight))
		counter(c.coalesced, float64(s.Coalesced))
		counter(c.dropped, float64(s.DroppedRemoved), dropRemoved.String())
		counter(c.dropped, float64(s.DroppedShutdown), dropShutdown.String())
		counter(c.backpressure, s.Blocked.Seconds())
		counter(c.throttledSeconds, s.Throttled.Seconds())
		counter(c.throttled, float64(s.Throttles))
		counter(c.adds, float64(s.Added))
		counter(c.handedOut, float64(s.HandedOut))
		counter(c.retries, float64(s.Retries))
		gauge(c.unfinished, s.Unfinished.Seconds())
		ch <- s.Waited.metric(c.waited, cluster)
		ch <- s.Worked.metric(c.worked, cluster)
	}
}

// metric is a histogram of the durations.
func (d *Durations) metric(desc *prometheus.Desc, cluster string) prometheus.Metric {
	upTo := make(map[float64]uint64, len(durationBounds))
	n := uint64(0)
	for i, bound := range durationBounds {
		n += d.Counts[i]
		upTo[bound.Seconds()] = n
	}
	return &twofold{Metric: prometheus.MustNewConstHistogram(desc, d.Count(), d.Sum.Seconds(), upTo, cluster), powers: d.Powers}
}

// twofold is a histogram with native buckets beside its classic ones: those of schema 0, each
// of which is twice as wide as the one before.
type twofold struct {
	prometheus.Metric
	powers [powers]uint64
}

// Write implements prometheus.Metric.
func (m *twofold) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	h := out.Histogram
	h.Schema, h.ZeroThreshold, h.ZeroCount = new(int32(0)), new(math.Ldexp(1, leastPower)), new(m.powers[0])
	// The bucket with index i has what is above 2^(i-1) and up to 2^i. One span has all of
	// them from the first one that is not empty to the last one.
	first, end := 1, powers
	for end > first && m.powers[end-1] == 0 {
		end--
	}
	for first < end && m.powers[first] == 0 {
		first++
	}
	h.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32(first + leastPower)), Length: new(uint32(end - first))}}
	before := int64(0)
	for _, n := range m.powers[first:end] {
		h.PositiveDelta = append(h.PositiveDelta, int64(n)-before)
		before = int64(n)
	}
	return nil
}
