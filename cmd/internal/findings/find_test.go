package findings

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// healthy is a fleet of one cluster and one sink in which nothing is wrong.
func healthy() Input {
	st := stream.Status{
		Cluster: "a", Stream: "pods", Resource: "pods", State: member.Live, Since: now.Add(-time.Hour), Audits: map[string]uint64{"clean": 3},
		Rejected: map[string]uint64{}, Routes: []stream.RouteStatus{{Route: "r", InStep: true, Known: 7, OldestUnacked: now.Add(-time.Second)}},
	}
	status := func() api.Status {
		return api.Status{
			Clusters: []api.Cluster{{
				Name: "a", Source: "file f", State: member.Live, Since: now.Add(-time.Hour), UID: "u-1",
				Routes: []api.Route{{Route: "r", InStep: true}}, Streams: []api.Stream{{Status: st}},
				Ledger: api.InLedger{Objects: 7, MaxObjects: 100, Healthy: true},
			}},
			Sinks:  []api.Sink{{Name: "r", Status: batch.Status{Healthy: true, WritingSince: now.Add(-time.Second)}}},
			Ledger: api.Ledger{Path: "l", Status: ledger.Status{Healthy: true}},
		}
	}
	before := status()
	return Input{
		Now: now, Status: status(), Before: &before, Window: 2 * time.Second,
		Probes: Probes{
			Members: []api.MemberProbe{{
				Cluster: "a", LatencySeconds: 0.1, SkewSeconds: new(-3.0), Version: "v1.36.3+k3s1", StreamingLists: new(true),
				Credentials: []api.Credential{{What: "The bearer token", Mine: true, Issued: now.Add(-time.Minute), Expires: now.Add(time.Hour)}},
			}},
			Sinks:  []api.SinkProbe{{Name: "r", Checked: true}},
			Audits: []api.Audit{{Cluster: "a", Resource: "pods", Result: "clean"}},
			Volume: &api.Volume{Folder: "/d", Free: 1 << 30, Size: 1 << 31},
			Lock:   &api.Lock{Identity: "lease:x/y", Holder: "h"},
		},
	}
}

// What has happened, and is over, is found for a while; what goes on is found as long as it
// does.
func TestWhatIsOverIsNotFoundForEver(t *testing.T) {
	for name, test := range map[string]struct {
		ago   time.Duration
		still int // objects of which it is so now
		want  []string
	}{
		"lately":                    {api.Recent - time.Second, 0, []string{"FL1108", "FL1109", "FL1110"}},
		"within the hour":           {api.Recent, 0, []string{"FL1109"}},
		"still within the hour":     {api.RecentDifference - time.Second, 0, []string{"FL1109"}},
		"long ago":                  {api.RecentDifference, 0, nil},
		"long ago, and still so":    {api.RecentDifference, 3, []string{"FL1108", "FL1110"}},
		"since a day, and still so": {24 * time.Hour, 1, []string{"FL1108", "FL1110"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := healthy()
			at := in.Now.Add(-test.ago)
			st := &in.Status.Clusters[0].Streams[0]
			st.Rejected, st.LastRejected = map[string]uint64{"malformed": 3}, at
			st.AuditDifferences, st.LastDifference = 2, at
			r := &st.Routes[0]
			r.FilterErrors, r.LastFilterError, r.LastFilterErrorAt = 2, "no such field", at
			st.Reduced, r.FilterFailing = test.still, test.still
			var got []string
			for _, one := range Of(in) {
				got = append(got, one.Code)
				if test.still > 0 && !strings.Contains(one.Cause, fmt.Sprintf("of the newest state of %d objects", test.still)) {
					t.Errorf("%s: %s", one.Code, one.Cause)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Alerts and findings of the same thing end at the same time.
func TestFindingsEndWithTheirAlerts(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/mixin/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	expressions := map[string]string{}
	for _, a := range rules.Groups[0].Rules {
		expressions[a.Alert] = a.Expr
	}
	for alert, want := range map[string]struct {
		window string
		of     time.Duration
	}{
		"FairleadFilterErrors":     {"fairlead_filter_errors_total[15m]", api.Recent},              // FL1110
		"FairleadAuditDifferences": {"fairlead_audit_differences_total[1h]", api.RecentDifference}, // FL1109
	} {
		_, text, _ := strings.Cut(strings.TrimSuffix(want.window, "]"), "[")
		if window, err := time.ParseDuration(text); err != nil || window != want.of || !strings.Contains(expressions[alert], want.window) {
			t.Errorf("%s is told of for %v by findings; the alert is %q", alert, want.of, expressions[alert])
		}
	}
}

func TestNothingIsFoundOfAHealthyFleet(t *testing.T) {
	if all := Of(healthy()); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// Each of these is wrong alone, and one finding tells it.
func TestEachFaultIsOneFinding(t *testing.T) {
	cluster := func(state member.State, reason, lastError string) func(*Input) {
		return func(in *Input) {
			c := &in.Status.Clusters[0]
			c.State, c.Reason, c.LastError = state, reason, lastError
			c.Streams[0].State, c.Streams[0].Reason, c.Streams[0].Attempt = member.BackingOff, "network", 7 // what follows
		}
	}
	ofStream := func(state member.State, reason string) func(*Input) {
		return func(in *Input) {
			st := &in.Status.Clusters[0].Streams[0]
			st.State, st.Reason, st.Attempt, st.LastError = state, reason, 3, "it says no"
		}
	}
	probe := func(change func(*api.MemberProbe)) func(*Input) {
		return func(in *Input) { change(&in.Probes.Members[0]) }
	}
	expires := func(issued, left time.Duration, mine, renewed bool) func(*Input) {
		return probe(func(p *api.MemberProbe) {
			p.Credentials = []api.Credential{{What: "The client certificate", Issued: now.Add(-issued), Expires: now.Add(left), Mine: mine, Renewed: renewed}}
		})
	}
	election := func(e api.Election) func(*Input) { return func(in *Input) { in.Status.Election = &e } }
	tested := map[string]bool{}
	for _, test := range []struct {
		code, says string // empty: nothing is found
		severity   api.Severity
		wrong      func(*Input)
	}{
		{"FL1001", "file g, context c", "error", func(in *Input) {
			in.Status.Problems = []api.Problem{{Source: "file g", Context: "c", Error: "it has no server"}}
		}},
		{"FL1002", "a is the same cluster as b", "warning", func(in *Input) {
			in.Status.Clusters[0].SameAs = []string{"b"}
			in.Status.Problems = []api.Problem{{Cluster: "a", Error: "is the same cluster as b: ..."}}
		}},
		{"FL1003", "cannot be reached: dial tcp", "error", cluster(member.BackingOff, "unreachable", "dial tcp: refused")},
		{"FL1003", "cannot be reached", "error", cluster(member.BackingOff, "timeout", "no answer")},
		{"FL1004", "is not trusted", "error", cluster(member.BackingOff, "unreachable", "tls: failed to verify certificate: x509: unknown authority")},
		{"FL1005", "does not accept", "error", cluster(member.Waiting, "credentials refused", "Unauthorized")},
		{"FL1006", "plugin", "error", cluster(member.BackingOff, "credential plugin does not answer", "has not answered for 1s")},
		{"FL1006", "plugin", "error", cluster(member.Connecting, "credential plugin does not answer", "has not answered for 5s")},
		{"FL1007", "no API server", "error", cluster(member.BackingOff, "unavailable", `answered with 200 and "text/html", which is not what a Kubernetes API server says`)},
		{"FL1008", "Another cluster answers", "error", cluster(member.Waiting, "another cluster answers under this name", "")},
		{"FL1009", "not known whether", "warning", cluster(member.Waiting, "not known whether it is the same cluster", "")},
		{"FL1009", "kube-system", "warning", cluster(member.Connecting, "kube-system namespace not readable, waiting whether it will be", "")},
		{"FL1009", "a digest", "info", func(in *Input) { in.Status.Clusters[0].UID = "digest-00" }},
		{"FL1010", "answers with errors: 503", "error", cluster(member.BackingOff, "unavailable", "503")},
		{"FL1011", "configuration", "error", cluster(member.Waiting, "configuration unusable", "")},
		{"FL1012", "silent", "warning", cluster(member.Stale, "a call failed, probing", "")},
		{"", "", "", func(in *Input) {
			cluster(member.Stale, "a call failed, probing", "")(in)
			in.Status.Clusters[0].Since = now.Add(-time.Second)
		}},
		{"FL1013", "is paused", "warning", cluster(member.Paused, "paused", "of before")},
		{"FL1014", "not answered yet", "warning", cluster(member.Connecting, "dialing", "")},
		{"FL1014", "its credential plugin is aws", "info", func(in *Input) {
			cluster(member.Connecting, "dialing", "")(in)
			in.Status.Clusters[0].Since, in.Probes.Members[0].Plugin = now.Add(-time.Second), "aws"
		}},
		{"FL1015", "No cluster", "warning", func(in *Input) { in.Status.Clusters = nil }},
		{"FL1020", "expires on 2026-12-03", "warning", expires(358*24*time.Hour, 5*24*time.Hour, true, false)},
		{"FL1020", "expires on", "warning", expires(50*time.Minute, 9*time.Minute, true, false)},
		{"", "", "", expires(358*24*time.Hour, 5*24*time.Hour, true, true)},
		{"FL1021", "has expired on", "error", expires(time.Hour, -time.Minute, true, true)},
		{"FL1022", "expires on", "warning", expires(358*24*time.Hour, 5*24*time.Hour, false, false)},
		{"FL1022", "has expired on", "error", expires(358*24*time.Hour, -time.Hour, false, false)},
		{"FL1023", "1m0s behind", "warning", probe(func(p *api.MemberProbe) { p.SkewSeconds = new(-60.4) })},
		{"FL1024", "v1.25.16", "warning", probe(func(p *api.MemberProbe) { p.Version = "v1.25.16-gke.1" })},
		{"", "", "", probe(func(p *api.MemberProbe) { p.Version = "whatever" })},
		{"FL1025", "took 2.5s", "warning", probe(func(p *api.MemberProbe) { p.LatencySeconds = 2.5 })},
		{"FL1026", "could not be asked: timeout", "warning", probe(func(p *api.MemberProbe) { p.Error = "timeout" })},
		{"FL1101", "forbids to list or watch pods: it says no", "error", ofStream(member.Waiting, "forbidden")},
		{"FL1101", "forbids to watch pods in namespace n", "error", probe(func(p *api.MemberProbe) {
			p.Denied = []api.Denied{{Resource: "pods", Namespace: "n", Verbs: []string{"watch"}}}
		})},
		{"FL1101", "", "error", func(in *Input) { // told once
			ofStream(member.Waiting, "forbidden")(in)
			in.Probes.Members[0].Denied = []api.Denied{{Resource: "pods", Verbs: []string{"watch"}}}
		}},
		{"FL1102", "does not serve pods", "warning", ofStream(member.Waiting, "missing")},
		{"FL1102", "any more", "warning", ofStream(member.Waiting, "resource gone, 7 objects held")},
		{"FL1102", "gizmos", "warning", probe(func(p *api.MemberProbe) { p.Unserved = []api.Unserved{{Resource: "gizmos"}} })},
		{"FL1103", "several", "error", ofStream(member.Waiting, "ambiguous")},
		{"FL1104", "all its API groups", "error", ofStream(member.BackingOff, "incomplete")},
		{"FL1105", "another stream", "error", ofStream(member.Waiting, "overlapping")},
		{"FL1106", "is not read (network)", "error", ofStream(member.BackingOff, "network")},
		{"", "", "", func(in *Input) {
			ofStream(member.BackingOff, "network")(in)
			in.Status.Clusters[0].Streams[0].Attempt = 1
		}},
		{"FL1107", "refuses the request", "error", ofStream(member.Waiting, "rejected")},
		{"FL1108", "3 frames", "warning", func(in *Input) {
			in.Status.Clusters[0].Streams[0].Rejected = map[string]uint64{"not_json": 3, "too_many_objects": 9}
		}},
		{"FL1109", "2 objects", "warning", func(in *Input) { in.Status.Clusters[0].Streams[0].AuditDifferences = 2 }},
		{"FL1109", "a snapshot repairs", "warning", func(in *Input) {
			in.Status.Clusters[0].Streams[0].AuditDifferences = 2
			in.Probes.Audits[0].Differences, in.Probes.Audits[0].Result = 2, "differences"
		}},
		{"FL1110", "no such field", "warning", func(in *Input) {
			r := &in.Status.Clusters[0].Streams[0].Routes[0]
			r.FilterErrors, r.LastFilterError = 2, "no such field"
		}},
		{"FL1111", "leave nothing", "info", func(in *Input) {
			r := &in.Status.Clusters[0].Streams[0].Routes[0]
			r.Filtered, r.Known = 9, 0
		}},
		{"FL1112", "3 resources", "warning", func(in *Input) { in.Status.Clusters[0].Survey = &sources.SurveyStatus{State: member.Live, Beyond: 3} }},
		{"FL1113", "interrupted", "info", func(in *Input) { in.Probes.Audits[0].Result = "interrupted" }},
		{"FL1114", "whether 12 resources", "info", func(in *Input) { in.Probes.Members[0].Unasked = 12 }},
		{"FL1115", "no streaming lists", "info", func(in *Input) { in.Probes.Members[0].StreamingLists = new(false) }},
		{"FL1201", "is full", "warning", func(in *Input) {
			in.Status.Clusters[0].Routes[0].Lane.BlockedOffers = 1
			in.Before.Clusters[0].Routes[0].Lane.BlockedOffers = 1
		}},
		{"", "", "", func(in *Input) { in.Status.Clusters[0].Routes[0].Lane.BlockedOffers = 1 }}, // for a moment
		{"FL1202", "75 %", "warning", func(in *Input) { in.Status.Clusters[0].Routes[0].Counts.ThrottledSeconds = 1.5 }},
		{"", "", "", func(in *Input) { in.Status.Clusters[0].Routes[0].Counts.ThrottledSeconds = 0.9 }},
		{"FL1203", "6m0s ago", "warning", func(in *Input) {
			in.Status.Clusters[0].Streams[0].Routes[0].OldestUnacked = now.Add(-6 * time.Minute)
		}},
		{"FL1204", "Route r has been limited to 5 changes per second for 1m0s, by anna (weak).", "warning", func(in *Input) {
			late(in) // which that explains
			in.Status.Limits = []api.LimitsOrder{ordered(api.Target{Route: "r"}, 5)}
			in.Before.Sinks[0].LimitedSeconds, in.Status.Sinks[0].LimitedSeconds = 7, 8.5
		}},
		{"FL1204", "Cluster a has been limited", "warning", func(in *Input) {
			late(in)
			in.Status.Limits = []api.LimitsOrder{ordered(api.Target{Cluster: "a"}, 5)}
			in.Status.Clusters[0].Routes[0].Counts.ThrottledSeconds = 1.5 // which is no other finding
		}},
		{"FL1204", "Resource pods of cluster a has been limited", "warning", func(in *Input) {
			in.Status.Limits = []api.LimitsOrder{ordered(api.Target{Cluster: "a", Resource: "pods"}, 5)}
		}},
		{"", "", "", func(in *Input) { // weights hold nothing up, nor does an order of no limit
			in.Status.Limits = []api.LimitsOrder{{Target: api.Target{Cluster: "a"}, Weight: new(3)}, ordered(api.Target{Cluster: "a"}, 0)}
		}},
		{"FL1301", "fails, for 1m0s and 4 attempts: refused", "error", func(in *Input) {
			in.Status.Sinks[0].Status = batch.Status{Since: now.Add(-time.Minute), LastError: "refused", Attempts: 4}
			in.Status.Clusters[0].Routes[0].Lane.BlockedOffers = 1
			in.Probes.Sinks[0].Error = "refused"
		}},
		{"FL1302", "refuses 2 changes of cluster a: too long", "error", func(in *Input) {
			in.Status.Sinks[0].Refused = []stage.Refused{{Cluster: "a", Changes: 2, Reason: "too long"}}
		}},
		{"FL1303", "5s", "warning", func(in *Input) { in.Status.Sinks[0].WritingSince = now.Add(-5 * time.Second) }},
		{"FL1303", "5s", "warning", func(in *Input) {
			in.Status.Sinks[0].WritingSince, in.Before.Sinks[0].WritingSince = time.Time{}, now.Add(-5*time.Second)
		}},
		{"FL1304", "9 changes of cluster a", "warning", func(in *Input) {
			in.Probes.DeadLetters = []api.DeadLetters{{Route: "r", Cluster: "a", Changes: 9}}
		}},
		{"FL1305", "no table", "error", func(in *Input) { in.Probes.Sinks[0].Error = "no table" }},
		{"FL1401", "no space", "error", func(in *Input) { in.Status.Ledger.Status = ledger.Status{Since: now, LastError: "no space"} }},
		{"FL1402", "4 objects", "error", func(in *Input) {
			in.Status.Clusters[0].Streams[0].Missing, in.Status.Clusters[0].Ledger.Objects = 4, 100
		}},
		{"FL1403", "91 of 100", "warning", func(in *Input) { in.Status.Clusters[0].Ledger.Objects = 91 }},
		{"FL1306", "was not asked: a pipe", "info", func(in *Input) { in.Probes.Sinks[0] = api.SinkProbe{Name: "r", Unasked: "a pipe"} }},
		{"FL1307", "of events, which is watched", "error", func(in *Input) { in.Probes.Unkept = []string{"events"} }},
		{"FL1308", "Sink r has refused whole batches, for 1m0s: changes of a, b are written apart: too long", "info", func(in *Input) {
			in.Status.Sinks[0].Status = batch.Status{Healthy: true, Apart: []string{"a", "b"}, ApartSince: now.Add(-time.Minute), ApartError: "too long"}
		}},
		{"FL1308", "changes of a, b, c, d, e and 1 more are written apart, and what it refuses is searched for among 7 others: too long", "info", func(in *Input) {
			in.Status.Sinks[0].Status = batch.Status{Healthy: true, Apart: []string{"a", "b", "c", "d", "e", "f"}, Held: 7, ApartSince: now, ApartError: "too long"}
		}},
		{"FL1308", "what it refuses is searched for among 7 changes: too long", "info", func(in *Input) {
			in.Status.Sinks[0].Status = batch.Status{Healthy: true, Held: 7, ApartSince: now, ApartError: "too long"}
		}},
		{"FL1404", "read-only", "error", func(in *Input) { in.Probes.Volume.Error = "read-only" }},
		{"FL1405", "1 of 2048 MiB", "warning", func(in *Input) { in.Probes.Volume.Free = 1 << 20 }},
		{"FL1406", "locked", "warning", func(in *Input) { in.Probes.Volume.Locked = true }},
		{"FL1501", "leader is x", "info", election(api.Election{Role: "follower", Lock: "l", Leader: "x"})},
		{"FL1502", "Nobody", "error", election(api.Election{Role: "follower", Lock: "l"})},
		{"FL1503", "gone", "error", election(api.Election{Role: "follower", Lock: "l", LastError: "gone"})},
		{"FL1503", "gone", "error", election(api.Election{Role: "leader", Lock: "l", LastError: "gone"})},
		{"FL1503", "lock l has not been renewed since 11:59:56 UTC, for 4s; this process stops delivering at 12:00:06 UTC, in 6s, unless it can renew it before: gone", "error",
			election(api.Election{Role: "leader", Lock: "l", LastError: "gone", UnrenewedSince: now.Add(-4 * time.Second), EndsAt: now.Add(6 * time.Second)})},
		{"FL1503", "before: no answer yet", "error", election(api.Election{Role: "leader", Lock: "l", UnrenewedSince: now.Add(-7 * time.Second), EndsAt: now.Add(3 * time.Second)})},
		{"FL1503", "leads no more, and ends: it was not renewed: gone", "error", election(api.Election{Role: "follower", Lock: "l", Lost: "it was not renewed", LastError: "gone"})},
		{"FL1501", "which has led, and ends: b holds it", "info", election(api.Election{Role: "follower", Lock: "l", Leader: "b", Lost: "b holds it"})},
		{"FL1503", "denied", "error", func(in *Input) { in.Probes.Lock.Error = "denied" }},
		{"FL1504", "lower token", "error", election(api.Election{Role: "leader", Lock: "l", Refused: "a lower token"})},
		{"FL1505", "the ledger", "warning", election(api.Election{Role: "leader", Lock: "l", WaitsFor: "the ledger"})},
		{"FL1502", "Nobody", "info", election(api.Election{Role: "follower", Lock: "l", LeaderSince: now.Add(-9 * time.Second)})},
		{"FL1502", "Nobody", "error", election(api.Election{Role: "follower", Lock: "l", LeaderSince: now.Add(-11 * time.Second)})},
		{"FL1505", "the ledger", "info", election(api.Election{Role: "leader", Lock: "l", WaitsFor: "the ledger", LeaderSince: now.Add(-9 * time.Second)})},
		{"FL1502", "Nobody", "info", election(api.Election{Role: "follower", Lock: "l", LeaderSince: now.Add(-5 * time.Second), UnsettledSince: now.Add(-59 * time.Second)})},
		{"FL1502", "Nobody", "error", election(api.Election{Role: "follower", Lock: "l", LeaderSince: now.Add(-5 * time.Second), UnsettledSince: now.Add(-61 * time.Second)})},
		{"FL1505", "the ledger", "warning", election(api.Election{Role: "leader", Lock: "l", WaitsFor: "the ledger", LeaderSince: now.Add(-5 * time.Second), UnsettledSince: now.Add(-61 * time.Second)})},
		{"FL1701", "took longer", "error", func(in *Input) { in.CutShort = "the check took longer than 1m" }},
		{"FL1601", "line 3", "error", func(in *Input) { in.Status.Config = &api.Config{File: "f", Error: "line 3"} }},
		{"FL1602", "--ledger, --sink", "warning", func(in *Input) { in.Status.Config = &api.Config{File: "f", NeedsRestart: []string{"ledger", "sink"}} }},
		{"FL1603", "1m0s", "warning", func(in *Input) { in.Status.Config = &api.Config{File: "f", ChangingSince: now.Add(-time.Minute)} }},
	} {
		in := healthy()
		test.wrong(&in)
		all := Of(in)
		if test.code == "" {
			if len(all) != 0 {
				t.Errorf("this is no finding: %+v", all)
			}
			continue
		}
		if len(all) != 1 || all[0].Code != test.code || !strings.Contains(all[0].Cause, test.says) || all[0].Severity != test.severity {
			t.Errorf("found %+v, want %s of severity %s that says %q", all, test.code, test.severity, test.says)
		}
		tested[test.code] = true
	}
	for _, c := range Codes() {
		if !tested[c.Code] {
			t.Errorf("%s is never found", c.Code)
		}
	}
}

// late has the lane of a cluster be full, and a change of it wait for long.
func late(in *Input) {
	in.Status.Clusters[0].Routes[0].Lane.BlockedOffers = 1
	in.Before.Clusters[0].Routes[0].Lane.BlockedOffers = 1
	in.Status.Clusters[0].Streams[0].Routes[0].OldestUnacked = in.Now.Add(-6 * time.Minute)
}

// ordered is a limit that somebody has set a minute ago.
func ordered(of api.Target, qps float64) api.LimitsOrder {
	return api.LimitsOrder{Target: of, QPS: &qps, Order: api.Order{By: "anna", Reason: "weak", Since: now.Add(-time.Minute)}}
}

// A limit of something else explains nothing, nor does one that has let everything through.
func TestLimitsExplainTheirOwnOnly(t *testing.T) {
	for _, of := range []api.Target{{Cluster: "b"}, {Route: "other"}, {Cluster: "a", Resource: "pods"}, {Cluster: "a"}, {Route: "r"}} {
		in := healthy()
		late(&in)
		in.Status.Limits = []api.LimitsOrder{ordered(of, 5)}
		if of.IsCluster() && of.Cluster == "a" || of.Route == "r" {
			in.Before.Sinks[0].LimitedSeconds, in.Status.Sinks[0].LimitedSeconds = 7, 7.9
			in.Status.Clusters[0].Routes[0].Counts.ThrottledSeconds = 0.9
		} else {
			in.Before.Sinks[0].LimitedSeconds, in.Status.Sinks[0].LimitedSeconds = 7, 8.9
		}
		if all := Of(in); len(all) != 2 || all[0].Code != "FL1201" || all[1].Code != codeLimited {
			t.Errorf("%v: %+v", of, all)
		}
	}
}

func TestCodesAreInOrderAndComplete(t *testing.T) {
	last := ""
	for _, c := range Codes() {
		if c.Code <= last || len(c.Code) != 6 || c.Title == "" || c.Meaning == "" || c.Impact == "" || c.Do == "" || rank(c.Severity) < 0 {
			t.Errorf("%+v after %s", c, last)
		}
		last = c.Code
	}
}

// The worst comes first, and what others have written does nothing to a terminal.
func TestPrint(t *testing.T) {
	in := healthy()
	in.Status.Clusters[0].Source = "file \x1b[2Jf"
	in.Probes.Members[0].SkewSeconds = new(90.0)
	in.Probes.Sinks[0].Error = "no\ntable \x1b]0;x\a <b>&\x00"
	c := &api.Check{Findings: Of(in), Members: in.Probes.Members, Sinks: in.Probes.Sinks, Streams: 1, Took: 2.04}
	var text, junit strings.Builder
	if err := Print(&text, c); err != nil {
		t.Fatal(err)
	}
	want := `error    FL1305  A sink is not ready
         Sink r is not ready: no table  ]0;x  <b>& 
         -> Do what the cause says. (docs/findings.md#fl1305)

warning  FL1023  Clocks differ
         The clock of cluster a is 1m30s ahead of that of the machine that asks.
         -> Synchronise the clock of the machine that the cause names as wrong, with NTP. (docs/findings.md#fl1023)

1 error and 1 warning. Asked: 1 cluster, 1 stream, 1 sink, in 2s.
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := JUnit(&junit, c); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`tests="2" failures="1"`, `<testcase classname="sink" name="r">`, `<failure type="FL1305"`, "&lt;b&gt;", "<system-out>warning FL1023"} {
		if !strings.Contains(junit.String(), part) {
			t.Errorf("%s is not in %s", part, junit.String())
		}
	}
	if strings.ContainsAny(text.String()+junit.String(), "\x1b\a\x00") {
		t.Error("control characters are shown")
	}
}

// A program may answer with anything.
func TestPrintOfWhatAProgramHasMadeUp(t *testing.T) {
	const bad = "\x1b[2J\n"
	c := &api.Check{Findings: []api.Finding{{Code: bad, Severity: bad, Cluster: bad, Resource: bad, Route: bad, Source: bad, Cause: bad, Do: bad, Page: bad}}}
	c.Members = []api.MemberProbe{{Cluster: bad, Version: bad}}
	var text, junit strings.Builder
	if err := errors.Join(Print(&text, c), JUnit(&junit, c)); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(text.String()+junit.String(), '\x1b') {
		t.Errorf("%q %q", text.String(), junit.String())
	}
}

// Of the clusters of a large fleet findings are made within moments.
func BenchmarkOf(b *testing.B) {
	in := healthy()
	of, before, probe := in.Status.Clusters[0], in.Before.Clusters[0], in.Probes.Members[0]
	in.Status.Clusters, in.Before.Clusters, in.Probes.Members = nil, nil, nil
	for i := range 5000 {
		of.Name = fmt.Sprint("c-", i)
		before.Name, probe.Cluster = of.Name, of.Name
		in.Status.Clusters, in.Before.Clusters, in.Probes.Members = append(in.Status.Clusters, of), append(in.Before.Clusters, before), append(in.Probes.Members, probe)
	}
	b.ReportAllocs()
	for b.Loop() {
		if all := Of(in); len(all) != 0 {
			b.Fatal(all)
		}
	}
	b.ReportMetric(float64(b.N)*5000/b.Elapsed().Seconds(), "clusters/s")
}

// Findings of one code are folded.
func TestManyOfOneCode(t *testing.T) {
	in := healthy()
	c := in.Status.Clusters[0]
	in.Status.Clusters = nil
	for range 43 {
		c.State, c.Reason = member.BackingOff, "unreachable"
		in.Status.Clusters = append(in.Status.Clusters, c)
	}
	var text strings.Builder
	if err := Print(&text, &api.Check{Findings: Of(in)}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "cannot be reached."); n != mostOfOne || !strings.Contains(text.String(), "and 38 more") {
		t.Errorf("%d are shown: %s", n, text.String())
	}
}

// What members say is bounded.
func TestCausesAreBounded(t *testing.T) {
	in := healthy()
	in.Probes.Members[0].Error = strings.Repeat("x", 1<<20)
	if all := Of(in); len(all) != 1 || len(all[0].Cause) > mostCause {
		t.Errorf("%d bytes", len(all[0].Cause))
	}
}

// Who asks once, as fairlead explain does, cannot tell whether changes wait for a limit: it hides
// no other cause.
func TestALimitHidesNothingFromWhoLooksOnce(t *testing.T) {
	in := healthy()
	in.Before, in.Window = nil, 0
	in.Status.Clusters[0].Routes[0].Lane.BlockedOffers = 1
	in.Status.Limits = []api.LimitsOrder{ordered(api.Target{Cluster: "a"}, 10_000)}
	var codes []string
	for _, f := range Of(in) {
		codes = append(codes, f.Code)
	}
	if !slices.Contains(codes, "FL1201") {
		t.Errorf("findings: %v", codes)
	}
}
