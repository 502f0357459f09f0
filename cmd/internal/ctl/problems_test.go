package ctl

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

func TestProblems(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := now.Add(-90 * time.Second)
	healthy := api.Ledger{Path: "l", Status: ledger.Status{Healthy: true}}
	for name, test := range map[string]struct {
		status api.Status
		want   []string
	}{
		"none": {status: api.Status{
			Ledger: healthy, Election: &api.Election{Role: "leader", Leader: "a"}, Config: &api.Config{File: "f"},
			Sinks: []api.Sink{{Name: "s", Status: batch.Status{Healthy: true}}},
		}},
		"ledger": {
			api.Status{Ledger: api.Ledger{Path: "l", Status: ledger.Status{Since: before, LastError: "no space", Attempts: 3, NextRetry: now.Add(2 * time.Second)}}},
			[]string{"ledger l: for 1m30s, 3 attempts, the next one in 2s: no space"},
		},
		"sinks": {
			api.Status{Ledger: healthy, Sinks: []api.Sink{
				{Name: "stdout:", Status: batch.Status{Since: before, LastError: "refused\x1b[2J"}},
				{Name: "picky", Refused: []stage.Refused{{Cluster: "edge", Changes: 2, Since: before, Reason: "too large"}}},
			}},
			[]string{"sink stdout: for 1m30s: refused [2J", "sink picky: refuses 2 changes of edge for 1m30s: too large"},
		},
		"election": {
			api.Status{Ledger: healthy, Election: &api.Election{Role: "follower", Lock: "lease:a/b"}},
			[]string{"election: follower, no leader is known; the lock is lease:a/b"},
		},
		"unrenewed": {
			api.Status{Ledger: healthy, Election: &api.Election{Role: "leader", Lock: "lease:a/b", UnrenewedSince: now.Add(-4 * time.Second), EndsAt: now.Add(6 * time.Second), LastError: "no route"}},
			[]string{"election: the lock lease:a/b has not been renewed since 03:04:01 UTC, for 4s; this process stops delivering at 03:04:11 UTC, in 6s, unless it can renew it before: no route"},
		},
		"late": {
			api.Status{Ledger: healthy, Election: &api.Election{Role: "leader", Lock: "l", UnrenewedSince: now.Add(-11 * time.Second), EndsAt: now.Add(-time.Second)}},
			[]string{"election: the lock l has not been renewed since 03:03:54 UTC, for 11s; this process stops delivering at 03:04:04 UTC, in 0s, unless it can renew it before: no answer yet"},
		},
		"lost": {
			api.Status{Ledger: healthy, Election: &api.Election{Role: "follower", Lock: "l", Lost: "it was not renewed", LastError: "no route"}},
			[]string{"election: follower, which has led, and ends: it was not renewed"},
		},
		"refused": {
			api.Status{Ledger: healthy, Election: &api.Election{Role: "leader", Identity: "a", Refused: "a lower term"}},
			[]string{"election: the ledger refuses a: a lower term"},
		},
		"configuration": {
			api.Status{Ledger: healthy, Config: &api.Config{File: "f", Error: "line 3", NeedsRestart: []string{"ledger", "hub"}, ChangingSince: before}},
			[]string{
				"configuration f: not in effect: line 3", "configuration f: a restart is needed for ledger, hub",
				"configuration f: settings have been changing for 1m30s, and nothing is delivered meanwhile",
			},
		},
		"limited": {api.Status{Ledger: healthy, Limits: []api.LimitsOrder{
			{Target: api.Target{Cluster: "a", Resource: "pods"}, QPS: new(5.0), Order: api.Order{By: "an\x1bna", Reason: "noisy", Since: before}},
			{Target: api.Target{Cluster: "a"}, Weight: new(5)},
		}}, []string{`limited: stream a/pods to 5 per second for 1m30s, by an na (noisy)`}},
		"not ready": {api.Status{Ledger: healthy, NotReady: "delivery has not begun yet"}, []string{"program: delivery has not begun yet"}},
		"filters": {
			api.Status{Ledger: healthy, Clusters: []api.Cluster{
				{Name: "a", Streams: []api.Stream{{Status: stream.Status{Routes: []stream.RouteStatus{{Route: "s", FilterErrors: 2, LastFilterError: "no such key"}, {Route: "t"}}}}}},
				{Name: "b", Streams: []api.Stream{{Status: stream.Status{Routes: []stream.RouteStatus{{Route: "s", FilterErrors: 3, LastFilterError: "no such key"}}}}}},
				{Name: "c", Streams: []api.Stream{{Status: stream.Status{Routes: []stream.RouteStatus{{Route: "s", FilterErrors: 4, LastFilterError: "of before", LastFilterErrorAt: now.Add(-api.Recent)}}}}}},
			}},
			[]string{"sink s: expressions could not be evaluated on 5 states, which are delivered all the same; in a: no such key"},
		},
		"description": {
			api.Status{Ledger: healthy, Problems: []api.Problem{{Source: "kubeconfig:x", Context: "c", Cluster: "edge", Error: "no server", Since: before}}},
			[]string{"description kubeconfig:x, context c, cluster edge: for 1m30s: no server"},
		},
	} {
		if diff := cmp.Diff(test.want, problemsOf(&test.status, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestStanding(t *testing.T) {
	streamOf := func(resource string, state member.State, reason, lastError string) api.Stream {
		return api.Stream{Status: stream.Status{Resource: resource, State: state, Reason: reason, LastError: lastError}}
	}
	well := api.InLedger{Healthy: true}
	for name, test := range map[string]struct {
		cluster api.Cluster
		want    string
		live    int
	}{
		"live":           {api.Cluster{State: member.Live, Ledger: well, LastError: "of yesterday", Streams: []api.Stream{streamOf("pods", member.Live, "", "of yesterday")}}, "live:", 1},
		"down":           {api.Cluster{State: member.BackingOff, Reason: "network", LastError: "refused"}, "backing off: network: refused", 0},
		"said twice":     {api.Cluster{State: member.Waiting, Reason: "unauthorized", LastError: "unauthorized: 401"}, "waiting: unauthorized: 401", 0},
		"worst stream":   {api.Cluster{State: member.Live, Streams: []api.Stream{streamOf("a", member.Syncing, "start", ""), streamOf("b", member.Waiting, "forbidden", ""), streamOf("c", member.Live, "", "")}}, "waiting: b and 1 more: forbidden", 1},
		"survey":         {api.Cluster{State: member.Live, Ledger: well, Survey: &stream.SurveyStatus{State: member.BackingOff, Reason: "forbidden", LastError: "403"}}, "backing off: wildcards: forbidden: 403", 0},
		"no room":        {api.Cluster{State: member.Live, Ledger: well, Survey: &stream.SurveyStatus{State: member.Live, Beyond: 3}}, "live: there is no room for 3 resources that wildcards stand for", 0},
		"not in ledger":  {api.Cluster{State: member.Live, Ledger: api.InLedger{LastError: "full"}}, "live: the ledger: full", 0},
		"no word for it": {api.Cluster{State: member.Paused}, "paused:", 0},
	} {
		s := standingOf(&test.cluster)
		if got := strings.TrimSpace(string(s.state) + ": " + s.reason); got != test.want || s.live != test.live {
			t.Errorf("%s: %q with %d live streams, want %q with %d", name, got, s.live, test.want, test.live)
		}
	}
}
