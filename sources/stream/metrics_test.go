package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "a", 1), event("MODIFIED", "a", 11), `{"type":"RENAMED"}`)
		synctest.Wait()

		streams := []*Stream{h.stream, h.stream} // equal labels must not spoil the scrape
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(NewCollector(func() (all []Status) {
			for _, s := range streams {
				all = append(all, s.Status())
			}
			return all
		}))
		h.stream.progress.audits[auditClean].Add(2)
		h.stream.progress.differences.Add(3)
		want := `
# HELP fairlead_audit_differences_total Objects that an audit found to differ. It stays 0 unless something went wrong.
# TYPE fairlead_audit_differences_total counter
fairlead_audit_differences_total{cluster="c",resource="configmaps",stream="cm"} 3
# HELP fairlead_audits_total Comparisons of what was delivered with what the member holds, by result.
# TYPE fairlead_audits_total counter
fairlead_audits_total{cluster="c",resource="configmaps",result="clean",stream="cm"} 2
# HELP fairlead_changes_observed_total States of objects that were read from the member.
# TYPE fairlead_changes_observed_total counter
fairlead_changes_observed_total{cluster="c",resource="configmaps",stream="cm"} 4
# HELP fairlead_changes_suppressed_total States that were read and not delivered, by reason: duplicate (accepted before), stale (older than what was accepted) or unchanged (nothing that counts has changed).
# TYPE fairlead_changes_suppressed_total counter
fairlead_changes_suppressed_total{cluster="c",reason="duplicate",resource="configmaps",stream="cm"} 1
fairlead_changes_suppressed_total{cluster="c",reason="stale",resource="configmaps",stream="cm"} 0
fairlead_changes_suppressed_total{cluster="c",reason="unchanged",resource="configmaps",stream="cm"} 0
# HELP fairlead_changes_unacked Objects with changes that were read and that at least one sink has not accepted.
# TYPE fairlead_changes_unacked gauge
fairlead_changes_unacked{cluster="c",resource="configmaps",stream="cm"} 1
# HELP fairlead_frames_rejected_total Frames of which nothing or only metadata was delivered, by reason: not_json, oversized, unknown_type, no_identity, bookmark_without_version, ambiguous (decoders could take it for another object), foreign (another kind, version or namespace), not_portable (not UTF-8, or beyond what common decoders read), too_many_objects (there is no room in the ledger).
# TYPE fairlead_frames_rejected_total counter
fairlead_frames_rejected_total{cluster="c",reason="unknown_type",resource="configmaps",stream="cm"} 1
# HELP fairlead_stream_snapshots_total Snapshots (lists) that began, by reason.
# TYPE fairlead_stream_snapshots_total counter
fairlead_stream_snapshots_total{cluster="c",reason="no_resume_point",resource="configmaps",stream="cm"} 1
`
		err := testutil.GatherAndCompare(registry, strings.NewReader(want), "fairlead_changes_observed_total", "fairlead_changes_suppressed_total", "fairlead_audits_total",
			"fairlead_audit_differences_total", "fairlead_changes_unacked", "fairlead_frames_rejected_total", "fairlead_stream_snapshots_total")
		if err != nil {
			t.Error(err)
		}
		if n, err := testutil.GatherAndCount(registry); err != nil || n < 15 {
			t.Errorf("%d series, %v", n, err)
		}
		streams = nil
		if n, err := testutil.GatherAndCount(registry); err != nil || n != 0 {
			t.Errorf("%d series of no stream, %v", n, err)
		}
	})
}

// What each route tells of itself comes out as it is.
func TestCollectorOfRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now()
		time.Sleep(90 * time.Second)
		s := Status{Cluster: "c", Stream: "cm", Resource: "configmaps", Known: 7, Routes: []RouteStatus{
			{Route: "a", InStep: true, Since: since, Known: 7},
			{Route: "b", Since: since, Known: 5, Unacked: 2, OldestUnacked: since},
		}}
		const labels = `cluster="c",resource="configmaps",`
		want := `
# HELP fairlead_objects_known Objects that sinks may hold.
# TYPE fairlead_objects_known gauge
fairlead_objects_known{` + labels + `stream="cm"} 7
# HELP fairlead_route_behind_seconds Time for which the sink has been behind in the stream; 0 while it shares the watch.
# TYPE fairlead_route_behind_seconds gauge
fairlead_route_behind_seconds{` + labels + `route="a",stream="cm"} 0
fairlead_route_behind_seconds{` + labels + `route="b",stream="cm"} 90
# HELP fairlead_route_in_step 1 if the sink shares the stream's watch, 0 while it is behind.
# TYPE fairlead_route_in_step gauge
fairlead_route_in_step{` + labels + `route="a",stream="cm"} 1
fairlead_route_in_step{` + labels + `route="b",stream="cm"} 0
# HELP fairlead_route_objects_known Objects that this sink may hold.
# TYPE fairlead_route_objects_known gauge
fairlead_route_objects_known{` + labels + `route="a",stream="cm"} 7
fairlead_route_objects_known{` + labels + `route="b",stream="cm"} 5
`
		err := testutil.CollectAndCompare(NewCollector(func() []Status { return []Status{s} }), strings.NewReader(want),
			"fairlead_objects_known", "fairlead_route_behind_seconds", "fairlead_route_in_step", "fairlead_route_objects_known")
		if err != nil {
			t.Error(err)
		}
	})
}
