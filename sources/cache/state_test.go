package cache

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestDerive(t *testing.T) {
	s := &member.Session{UID: "u"}
	good := snapshot{name: "A", synced: true, open: true}
	for _, test := range []struct {
		name   string
		link   member.Link
		all    []snapshot
		want   State
		reason string
	}{
		{"never reached", member.Link{State: member.Connecting, Reason: "dialing"}, nil, Connecting, "dialing"},
		{"new credentials", member.Link{State: member.Connecting, Reason: "dialing"}, []snapshot{good}, Stale, "dialing"},
		{"down", member.Link{State: member.BackingOff, Reason: "timeout"}, []snapshot{good}, BackingOff, "timeout"},
		{"refused", member.Link{State: member.Waiting, Reason: "credentials refused"}, nil, BackingOff, "credentials refused"},
		{"silent", member.Link{State: member.Stale, Session: s, Reason: "silent streams"}, []snapshot{good}, Stale, "silent streams"},
		{"gone", member.Link{State: member.Gone, Reason: "removed"}, []snapshot{good}, Gone, "removed"},
		{"nothing cached", member.Link{State: member.Live, Session: s}, nil, Live, ""},
		{"live", member.Link{State: member.Live, Session: s}, []snapshot{good, good}, Live, ""},
		{"one lists", member.Link{State: member.Live, Session: s}, []snapshot{good, {name: "B"}}, Syncing, "B"},
		{"one may not", member.Link{State: member.Live, Session: s}, []snapshot{{name: "B", problem: "403"}, {name: "C"}}, Syncing, "B: 403"},
		{"one is late", member.Link{State: member.Live, Session: s}, []snapshot{good, {name: "B", late: true}}, BackingOff, "B is not synced in time"},
		{"one may not, late", member.Link{State: member.Live, Session: s}, []snapshot{{name: "B", late: true, problem: "403"}}, BackingOff, "B: 403"},
		{"one may not any more", member.Link{State: member.Live, Session: s}, []snapshot{good, {name: "B", synced: true, problem: "403"}}, Stale, "B: 403"},
		{"one watch is being opened", member.Link{State: member.Live, Session: s}, []snapshot{{name: "B", synced: true}}, Stale, "B is being opened again"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := derive("a", test.link, test.all)
			if got.State != test.want || got.Reason != test.reason || got.Cluster != "a" {
				t.Errorf("got %+v, want %s, %q", got, test.want, test.reason)
			}
		})
	}
}

func TestAge(t *testing.T) {
	if got := (Status{}).Age(); got != 0 {
		t.Errorf("age of nothing: %v", got)
	}
	if got := (Status{AsOf: time.Now().Add(-time.Hour)}).Age(); got < time.Hour {
		t.Errorf("age: %v", got)
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Options{Config: Config{CacheSyncTimeout: -1, CallTimeout: -1, StaleAfter: -1}}); err == nil {
		t.Error("negative durations are accepted")
	}
	if got := (Config{StaleAfter: time.Hour}).withDefaults(); got.StaleAfter != time.Hour || got.CallTimeout != DefaultCallTimeout || got.CacheSyncTimeout != DefaultCacheSyncTimeout {
		t.Errorf("defaults: %+v", got)
	}
}
