package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shortFailover are the options of a short run of two replicas: each fault of the leader
// once, over one kind of lock.
func shortFailover(lock string) *options {
	return &options{
		seed: 3, members: 2, sinks: 1, replicas: 2, lock: lock, leaseDuration: 3 * time.Second,
		changes: 600, faults: 2 * len(leaderKinds), duration: 20 * time.Second,
	}
}

// The first lock sees each fault of the leader, the others some: what becomes of a
// leader does not depend on them.
func TestFailoverShort(t *testing.T) {
	t.Parallel()
	for i, lock := range lockNames() {
		t.Run(lock, func(t *testing.T) {
			o := shortFailover(lock)
			if i > 0 {
				o.changes, o.faults, o.duration = 200, 6, 7*time.Second
			}
			r := storm(t, o)
			failovers := 0
			for _, k := range leaderKinds {
				failovers += len(r.Failovers[k])
				if n := len(r.Failovers[k]); n != 1 && i == 0 {
					t.Errorf("%d times %s of the leader, want 1", n, k)
				}
			}
			if r.Changes != o.changes || failovers != o.faults/2 || r.Restarts < failovers {
				t.Errorf("%+v: want all the changes, and another leader after each fault", r)
			}
		})
	}
}

func TestFailoverPlan(t *testing.T) {
	members := memberNames(2)
	for seed := range uint64(100) {
		faults := 2*len(leaderKinds) + int(seed%20)
		plan := newFailoverPlan(seed, 2000, faults, members)
		if diff := cmp.Diff(plan, newFailoverPlan(seed, 2000, faults, members)); diff != "" || len(plan) != faults {
			t.Fatalf("seed %d gives two plans, or not %d faults:\n%s", seed, faults, diff)
		}
		had, ends := map[kind]bool{}, map[string]int{}
		for _, f := range plan {
			if f.At < ends[f.Target] || f.Until < f.At {
				t.Errorf("seed %d: %s: begins before another of the same thing has ended", seed, f)
			}
			ends[f.Target], had[f.Kind] = f.Until, true
			if (f.Target == theLeader) != slices.Contains(leaderKinds, f.Kind) {
				t.Errorf("seed %d: %s", seed, f)
			}
		}
		for _, k := range leaderKinds {
			if !had[k] {
				t.Errorf("seed %d: no %s of the leader", seed, k)
			}
		}
	}
}

func TestOptionsOfReplicas(t *testing.T) {
	for _, test := range []struct {
		change func(*options)
		want   string
	}{
		{func(*options) {}, ""},
		{func(o *options) { o.replicas = 0 }, "--replicas"},
		{func(o *options) { o.sinks = 2 }, "--sinks"},
		{func(o *options) { o.lock = "paper" }, "lease"},
		{func(o *options) { o.leaseDuration = 2500 * time.Millisecond }, "--lease-duration"},
	} {
		o := shortFailover("lease")
		test.change(o)
		err := o.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", o, err, test.want)
		}
	}
}

// What an earlier leader writes after a later one is told, whatever object it is of.
func TestEarlierTermAfterALaterOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sink")
	of := func(term string, word string) string {
		return strings.Replace(event(word), `"term":"00000000000000000001"`, `"term":"0000000000000000000`+term+`"`, 1)
	}
	for _, test := range []struct {
		text string
		want int
	}{
		{of("1", "A1@1") + of("1", "A2@2") + of("2", "A3@3"), 0},
		{of("1", "A1@1") + of("2", "A2@2") + of("1", "A3@3") + of("2", "A4@4"), 1},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, terms := range []bool{true, false} {
			want := test.want
			if !terms {
				want = 0
			}
			f, err := check(evidence{path: path, runs: []*run{{}}, terms: terms})
			if err != nil || len(f.OldTerms) != want {
				t.Errorf("%d, %v: %v, %q; want %d", test.want, terms, err, f.OldTerms, want)
			}
		}
	}
}
