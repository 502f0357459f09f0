package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlan(t *testing.T) {
	members := memberNames(3)
	for seed := range uint64(200) {
		const changes = 2000
		faults := len(kinds) + int(seed%40)
		plan := newPlan(seed, changes, faults, members)
		if diff := cmp.Diff(plan, newPlan(seed, changes, faults, members)); diff != "" {
			t.Fatalf("seed %d gives two plans:\n%s", seed, diff)
		}
		if len(plan) != faults {
			t.Fatalf("seed %d: %d faults, want %d", seed, len(plan), faults)
		}
		had := map[kind]bool{}
		ends := map[string]int{}
		at := 0
		for _, f := range plan {
			if f.At < at || f.At < ends[f.Target] || f.Until < f.At {
				t.Errorf("seed %d: %s: begins before the one before it, or before another of the same thing has ended", seed, f)
			}
			at, ends[f.Target], had[f.Kind] = f.At, f.Until, true
			known := append([]string{theProgram, theSink, theOperator}, members...)
			if !slices.Contains(known, f.Target) {
				t.Errorf("seed %d: %s", seed, f)
			}
		}
		if len(had) != len(kinds) {
			t.Errorf("seed %d: %d kinds, want all %d", seed, len(had), len(kinds))
		}
		// At worst the last ones of one target pile up.
		if late := slices.IndexFunc(plan, func(f fault) bool { return f.At >= changes }); late >= 0 && late < faults*3/4 {
			t.Errorf("seed %d: fault %d of %d begins when all is written: %s", seed, late, faults, plan[late])
		}
	}
	checkSinkPlans(t, members)
	if cmp.Equal(newPlan(1, 1000, 30, members), newPlan(2, 1000, 30, members)) {
		t.Error("two seeds give the same plan")
	}
}

func checkSinkPlans(t *testing.T, members []string) {
	t.Helper()
	const changes = 700
	sinks := []string{"sink-2", "sink-3"}
	for seed := range uint64(200) {
		plan := newSinkPlan(seed, changes, sinks, members)
		if diff := cmp.Diff(plan, newSinkPlan(seed, changes, sinks, members)); diff != "" {
			t.Fatalf("seed %d gives two plans:\n%s", seed, diff)
		}
		had := map[string]map[kind]bool{"sink-2": {}, "sink-3": {}}
		ends := map[string]int{}
		at := 0
		for _, f := range plan {
			lasting := f.Kind == sinkShuns || f.Kind == sinkHangs
			if f.At < at || f.At >= changes || f.Until < f.At || !lasting && f.At < ends[f.Target] {
				t.Errorf("seed %d: %s: begins before the one before it, or before another of the same sink has ended", seed, f)
			}
			at, had[f.Target][f.Kind] = f.At, true
			if !lasting {
				ends[f.Target] = f.Until
			}
		}
		if !had["sink-2"][sinkShuns] || !had["sink-3"][sinkHangs] || len(had["sink-2"]) != len(furtherKinds)+1 || len(had["sink-3"]) != len(furtherKinds)+1 {
			t.Errorf("seed %d: not each kind: %v", seed, had)
		}
	}
}
