package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }

// fleetOf is the status of so many clusters with two streams each, of which some cannot be
// reached for different reasons. The names of clusters are in order.
func fleetOf(n int, now time.Time) api.Status {
	s := api.Status{
		Ledger: api.Ledger{Path: "/var/lib/fairlead/ledger", Status: ledger.Status{Healthy: true, Since: now.Add(-time.Hour)}},
		Sinks: []api.Sink{
			{Name: "postgres://db/changes", Status: batch.Status{Healthy: true, Since: now.Add(-time.Hour)}},
			{Name: "http://alerts/in", Status: batch.Status{Since: now.Add(-3 * time.Minute), LastError: "503 Service Unavailable", Attempts: 12, NextRetry: now.Add(4 * time.Second)},
				Refused: []stage.Refused{{Cluster: clusterName(1), Changes: 3, Since: now.Add(-time.Minute), Reason: "413 the event is too large"}}},
		},
	}
	if n > 5 {
		s.Paused = []api.Pause{
			{Target: api.Target{Cluster: clusterName(5)}, Mode: api.PauseHold, Order: api.Order{By: "anna", Reason: "upgrade of the cluster", Since: now.Add(-time.Minute), Until: now.Add(time.Hour)}},
			{Target: api.Target{Route: "postgres://db/changes"}, Mode: api.PauseHold, Order: api.Order{By: "anna", Since: now.Add(-time.Minute)}},
		}
		s.Limits = []api.LimitsOrder{{Target: api.Target{Cluster: clusterName(5)}, QPS: new(2.5), Order: api.Order{By: "ben", Since: now}}}
	}
	for i := range n {
		c := api.Cluster{
			Name: clusterName(i), Source: fmt.Sprintf("file fleet.yaml, context %s", clusterName(i)), State: member.Live, Since: now.Add(-time.Duration(i) * time.Minute),
			UID: fmt.Sprintf("uid-%d", i), ServerVersion: "v1.34.1", Labels: regions[i%2],
			Lane:   api.Lane{Live: i % 7, Bytes: int64(i%7) << 10, InFlight: i % 2},
			Counts: api.LaneCounts{Added: uint64(10 * i), HandedOut: uint64(10 * i), ThrottledSeconds: float64(i % 5)},
			Ledger: api.InLedger{Objects: 40, MaxObjects: 1000, Bytes: 4000, Healthy: true},
		}
		for _, k := range s.Sinks {
			c.Routes = append(c.Routes, api.Route{Route: k.Name, InStep: i%50 != 0, Lane: c.Lane})
		}
		for _, name := range []string{"deployments.apps", "pods"} {
			c.Streams = append(c.Streams, api.Stream{Status: stream.Status{
				Cluster: c.Name, Stream: name, Resource: name, State: member.Live, Since: c.Since, LastFrame: now.Add(-time.Second), Known: 20,
				Snapshots: map[string]uint64{"start": 1}, Reconnects: map[string]uint64{}, Rejected: map[string]uint64{}, Audits: map[string]uint64{},
				Routes: []stream.RouteStatus{{Route: s.Sinks[0].Name, InStep: true, Position: "123456"}, {Route: s.Sinks[1].Name, InStep: i%50 != 0, Position: "123400", Why: "its lane is full"}},
			}})
		}
		switch {
		case i%100 == 43:
			c.State, c.Reason, c.Attempt, c.NextRetry = member.BackingOff, "unreachable", 7, now.Add(20*time.Second)
			c.LastError = fmt.Sprintf("dial tcp 10.%d.%d.1:6443: connect: connection refused", i/250, i%250)
			c.LastErrorAt = now.Add(-time.Second)
			for j := range c.Streams {
				c.Streams[j].State, c.Streams[j].Reason = member.Waiting, "connection"
			}
		case i%100 == 77:
			c.State, c.Reason, c.LastError, c.LastErrorAt = member.Waiting, "credentials refused", "401 Unauthorized", now.Add(-time.Hour)
		case i%100 == 9:
			c.Streams[1].State, c.Streams[1].Reason, c.Streams[1].LastError = member.BackingOff, "forbidden", `pods is forbidden: User "fairlead" cannot list resource "pods"`
		case i == 150:
			c.Credential, c.CredentialIssued, c.CredentialExpires = "certificate", now.AddDate(-1, 0, 0), now.AddDate(0, 0, 5)
		case i == 151: // it is renewed in time
			c.Credential, c.CredentialIssued, c.CredentialExpires = "token", now.Add(-30*time.Minute), now.Add(30*time.Minute)
		case i%100 == 20:
			c.Streams[1].Unacked, c.Streams[1].OldestUnacked = 12, now.Add(-90*time.Second)
		}
		s.Clusters = append(s.Clusters, c)
	}
	return s
}

// regions are the labels that clusters have in turns.
var regions = []map[string]string{
	{"region": "north", "example.com/tier": "edge"},
	{"region": "south", "example.com/tier": "core"},
}

func clusterName(i int) string { return fmt.Sprintf("prod-%05d", i) }

// hostile is what a member may call things, or answer.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.}}`, "javascript:alert(1)", "a\u202egnp.exe", "a\x00b\x1b[31m\r\nc", "\xff\xfe", "\u202e\u2066<i>", `' onmouseover='x`,
	strings.Repeat("<h1>long</h1>", 10<<10/13),
}

// hostileStatus has hostile texts in each place where a text of others can stand.
func hostileStatus(bad string, now time.Time) api.Status {
	s := fleetOf(2, now)
	s.Election = &api.Election{Role: "follower", Lock: bad, Identity: bad, Leader: bad, LeaderHost: bad, LeaderAddress: bad, WaitsFor: bad, Refused: bad, LastError: bad, Lost: bad}
	s.Config = &api.Config{File: bad, Error: bad, NeedsRestart: []string{bad}}
	s.Ledger = api.Ledger{Path: bad, Status: ledger.Status{LastError: bad}}
	s.Paused = []api.Pause{{Target: api.Target{Cluster: bad, Resource: bad}, Mode: bad, Order: api.Order{By: bad, Reason: bad}}, {Target: api.Target{Route: bad}, Mode: bad}}
	s.Limits = nil
	for _, of := range []api.Target{{Cluster: bad}, {Cluster: bad, Resource: bad}, {Route: bad}} {
		s.Limits = append(s.Limits, api.LimitsOrder{Target: of, QPS: new(0.5), Weight: new(3), Order: api.Order{By: bad, Reason: bad}})
	}
	s.Problems = []api.Problem{{Source: bad, Context: bad, Cluster: bad, Error: bad}}
	c := &s.Clusters[0]
	c.Name, c.Source, c.Reason, c.LastError, c.UID, c.ServerVersion, c.SameAs, c.State = bad, bad, bad, bad, bad, bad, []string{bad}, member.State(bad)
	c.Credential, c.CredentialExpires = bad, now
	c.Labels = map[string]string{bad: bad, "region": bad, "tier": "x,region=" + bad}
	c.Ledger.Healthy, c.Ledger.LastError = false, bad
	for i := range c.Streams {
		st := &c.Streams[i]
		st.Stream, st.Resource, st.Reason, st.LastError, st.State = bad, bad, bad, bad, member.State(bad)
		st.Missing, st.AuditDifferences = 1, 1
		st.Routes[0] = stream.RouteStatus{Route: bad, Why: bad, Position: bad, Reason: bad, FilterErrors: 1, LastFilterError: bad}
	}
	c.Routes[0].Route = bad
	s.Sinks[0] = api.Sink{Name: bad, Status: batch.Status{LastError: bad}, Refused: []stage.Refused{{Cluster: bad, Changes: 1, Reason: bad}}}
	if s.Clusters[0].Name > s.Clusters[1].Name {
		s.Clusters[0], s.Clusters[1] = s.Clusters[1], s.Clusters[0]
	}
	return s
}
