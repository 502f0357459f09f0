package stream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// Collector shows the metrics of a set of streams. It reads their status when
// it is scraped, so the series of a stream vanish with it.
type Collector struct{ streams func() []Status }

// NewCollector returns a collector over the streams that exist when streams is
// called, which may be from any goroutine and must not block on a member.
func NewCollector(streams func() []Status) *Collector { return &Collector{streams} }

var _ prometheus.Collector = (*Collector)(nil)

// The labels that every series has: the member, the stream (its spec as it was
// given), and the resource that it stands for there, empty until discovered.
func desc(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"cluster", "stream", "resource"}, more...), nil)
}

var (
	descObserved   = desc("fairlead_changes_observed_total", "States of objects that were read from the member.")
	descSuppressed = desc("fairlead_changes_suppressed_total", "States that were read and not delivered, by reason: duplicate (accepted before), stale (older than what was accepted) or unchanged (nothing that counts has changed).", "reason")
	descState      = desc("fairlead_stream_state", "State of the stream: 1 for the current one, 0 for the others.", "state")
	descReconnects = desc("fairlead_stream_reconnects_total", "Watches that ended or could not be opened, by reason.", "reason")
	descSnapshots  = desc("fairlead_stream_snapshots_total", "Snapshots (lists) that began, by reason.", "reason")
	descLastFrame  = desc("fairlead_stream_last_frame_age_seconds", "Time since the last frame of the member, bookmarks included. Absent before the first one.")
	descRejected   = desc("fairlead_frames_rejected_total", "Frames of which nothing or only metadata was delivered, by reason: not_json, oversized, unknown_type, no_identity, bookmark_without_version, ambiguous (decoders could take it for another object), foreign (another kind, version or namespace), not_portable (not UTF-8, or beyond what common decoders read), too_many_objects (there is no room in the ledger).", "reason")
	descBytes      = desc("fairlead_stream_read_bytes_total", "Bytes read from the member, uncompressed.")
	descLimited    = desc("fairlead_stream_limited_seconds_total", "Seconds for which the limit of the resource, as fairlead limits sets it, kept the stream from reading.")
	descTombstones = desc("fairlead_tombstones_total", "Deletions found out because a snapshot no longer held the object.")
	descAudits     = desc("fairlead_audits_total", "Comparisons of what was delivered with what the member holds, by result.", "result")
	descDiffers    = desc("fairlead_audit_differences_total", "Objects that an audit found to differ. It stays 0 unless something went wrong.")
	descKnown      = desc("fairlead_objects_known", "Objects that sinks may hold.")
	descMissing    = desc("fairlead_objects_left_out", "Objects of the member that the ledger has no room for, as far as known. See --max-objects.")
	descUnacked    = desc("fairlead_changes_unacked", "Objects with changes that were read and that at least one sink has not accepted.")
	descInStep     = desc("fairlead_route_in_step", "1 if the sink shares the stream's watch, 0 while it is behind.", "route")
	descBehind     = desc("fairlead_route_behind_seconds", "Time for which the sink has been behind in the stream; 0 while it shares the watch.", "route")
	descRouteKnown = desc("fairlead_route_objects_known", "Objects that this sink may hold.", "route")
	descRouteUn    = desc("fairlead_route_changes_unacked", "Objects with changes that were read and that this sink has not accepted.", "route")
	descRouteOld   = desc("fairlead_route_oldest_unacked_age_seconds", "Age of the oldest change that this sink has not accepted; 0 if there is none.", "route")
	descFiltered   = desc("fairlead_filtered_total", "States that were read and that this sink's rules do not select.", "route")
	descFilterErrs = desc("fairlead_filter_errors_total", "States on which an expression of this sink's rules could not be evaluated. They count as selected.", "route")
	descFailing    = desc("fairlead_filter_failing_objects", "Objects on whose newest state an expression of this sink's rules could not be evaluated, counted to 100.", "route")
	descReduced    = desc("fairlead_objects_reduced", "Objects whose newest state was delivered without its contents, because these were rejected, counted to 100.")
	descOldest     = desc("fairlead_oldest_unacked_age_seconds", "Age of the oldest change that at least one sink has not accepted; 0 if there is none.")
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descObserved, descSuppressed, descState, descReconnects, descSnapshots, descLastFrame,
		descRejected, descBytes, descTombstones, descAudits, descDiffers, descKnown, descMissing, descUnacked, descOldest,
		descInStep, descBehind, descRouteKnown, descRouteUn, descRouteOld, descFiltered, descFilterErrs, descFailing, descReduced, descLimited,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	seen := map[[2]string]bool{}
	for _, s := range c.streams() {
		// Two streams with equal labels would spoil the whole scrape.
		if id := [2]string{s.Cluster, s.Stream}; !seen[id] {
			seen[id] = true
			collect(ch, s, now)
		}
	}
}

func collect(ch chan<- prometheus.Metric, s Status, now time.Time) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
		labels := append([]string{s.Cluster, s.Stream, s.Resource}, more...)
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, more ...string) {
		send(d, prometheus.CounterValue, float64(n), more...)
	}
	byReason := func(d *prometheus.Desc, counts map[string]uint64) {
		for reason, n := range counts {
			count(d, n, reason)
		}
	}
	count(descObserved, s.Observed)
	count(descSuppressed, s.Duplicate, "duplicate")
	count(descSuppressed, s.Outdated, "stale")
	count(descSuppressed, s.Unchanged, "unchanged")
	count(descBytes, s.Bytes)
	count(descTombstones, s.Tombstones)
	send(descLimited, prometheus.CounterValue, s.LimitedSeconds)
	byReason(descReconnects, s.Reconnects)
	byReason(descSnapshots, s.Snapshots)
	byReason(descRejected, s.Rejected)
	byReason(descAudits, s.Audits)
	count(descDiffers, s.AuditDifferences)
	for _, state := range []member.State{member.Connecting, member.Syncing, member.Live, member.Stale, member.BackingOff, member.Waiting} {
		value := 0.0
		if s.State == state {
			value = 1
		}
		send(descState, prometheus.GaugeValue, value, string(state))
	}
	if !s.LastFrame.IsZero() {
		send(descLastFrame, prometheus.GaugeValue, now.Sub(s.LastFrame).Seconds())
	}
	oldest := 0.0
	if !s.OldestUnacked.IsZero() {
		oldest = now.Sub(s.OldestUnacked).Seconds()
	}
	send(descOldest, prometheus.GaugeValue, oldest)
	send(descKnown, prometheus.GaugeValue, float64(s.Known))
	send(descReduced, prometheus.GaugeValue, float64(s.Reduced))
	send(descMissing, prometheus.GaugeValue, float64(s.Missing))
	send(descUnacked, prometheus.GaugeValue, float64(s.Unacked))
	for _, r := range s.Routes {
		inStep, behind, oldest := 1.0, 0.0, 0.0
		if !r.InStep {
			inStep, behind = 0, now.Sub(r.Since).Seconds()
		}
		if !r.OldestUnacked.IsZero() {
			oldest = now.Sub(r.OldestUnacked).Seconds()
		}
		send(descInStep, prometheus.GaugeValue, inStep, r.Route)
		send(descBehind, prometheus.GaugeValue, behind, r.Route)
		send(descRouteKnown, prometheus.GaugeValue, float64(r.Known), r.Route)
		send(descRouteUn, prometheus.GaugeValue, float64(r.Unacked), r.Route)
		send(descRouteOld, prometheus.GaugeValue, oldest, r.Route)
		count(descFiltered, r.Filtered, r.Route)
		count(descFilterErrs, r.FilterErrors, r.Route)
		send(descFailing, prometheus.GaugeValue, float64(r.FilterFailing), r.Route)
	}
}
