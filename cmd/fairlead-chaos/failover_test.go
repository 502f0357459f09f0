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
func shortFailover(lock, ledger string) *options {
	return &options{
		seed: 3, members: max(2, leastMembers(lock)), sinks: 1, replicas: 2, lock: lock, ledger: ledger, leaseDuration: 3 * time.Second,
		changes: 700, faults: 2 * len(faultsOfLeader(ledger, false)), duration: 20 * time.Second,
	}
}

// One lock sees each fault of the leader, another some: what becomes of a leader does not
// depend on them.
func TestFailoverShort(t *testing.T) {
	t.Parallel()
	t.Run("etcd", func(t *testing.T) { failOver(t, shortFailover("etcd", ledgerShared)) })
	t.Run("lease", func(t *testing.T) {
		o := shortFailover("lease", ledgerShared)
		o.changes, o.faults, o.duration = 200, 6, 7*time.Second
		failOver(t, o)
	})
}

// Where replicas have no ledger in common, a late write arrives, and is refused.
func TestLateWriteShort(t *testing.T) {
	t.Parallel()
	o := shortFailover("clusters", ledgerMemory)
	// Of the lease a leader that was stopped has a third, after it goes on, to write before
	// it ends. The writers write for as long as the faults take.
	o.leaseDuration, o.changes, o.duration = 4*time.Second, 1400, 60*time.Second
	if r := failOver(t, o); r.LateWrites == 0 {
		t.Error("no write came late")
	}
}

// failOver is storm, with another leader after each fault but a restart of the lock, and but
// one that waits for a write of the leader, which may have none to do.
func failOver(t *testing.T, o *options) result {
	t.Helper()
	r := storm(t, o)
	all := faultsOfLeader(o.ledger, false)
	failovers := 0
	for _, k := range all {
		failovers += len(r.Failovers[k])
		if n := len(r.Failovers[k]); n != 1 && o.faults == 2*len(all) && k != restartLock && k != freezeInWrite {
			t.Errorf("%d times %s of the leader, want 1", n, k)
		}
	}
	if r.Changes != o.changes || failovers < o.faults/2-1 || r.Restarts < 1 {
		t.Errorf("%+v: want all the changes, and another leader after each fault", r)
	}
	return r
}

func TestFailoverPlan(t *testing.T) {
	members, leaderKinds := memberNames(2), faultsOfLeader(ledgerMemory, false)
	for seed := range uint64(100) {
		faults := 2*len(leaderKinds) + int(seed%20)
		plan := newFailoverPlan(seed, 2000, faults, members, leaderKinds)
		if diff := cmp.Diff(plan, newFailoverPlan(seed, 2000, faults, members, leaderKinds)); diff != "" || len(plan) != faults {
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
		{func(o *options) { o.sink = "postgres" }, ""},
		{func(o *options) { o.lock = "paper" }, "lease"},
		{func(o *options) { o.lock = "clusters" }, "--members: 2 are too few to elect by clusters; give at least 3"},
		{func(o *options) { o.lock, o.members = "clusters", 3 }, ""},
		{func(o *options) { o.ledger = "paper" }, "--ledger"},
		{func(o *options) { o.ledger, o.replicas = ledgerMemory, 1 }, "--replicas 2"},
		{func(o *options) { o.leaseDuration = 2500 * time.Millisecond }, "--lease-duration"},
	} {
		o := shortFailover("lease", ledgerShared)
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
