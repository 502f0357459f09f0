package app

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// TestMemoryBudgetDefault: half of what the runtime was told, else of what the cgroup
// has, else 512 MiB.
func TestMemoryBudgetDefault(t *testing.T) {
	limited := func(n uint64) func() (uint64, error) { return func() (uint64, error) { return n, nil } }
	none := func() (uint64, error) { return 0, errors.New("no cgroup here") }
	for name, tc := range map[string]struct {
		runtime int64
		cgroup  func() (uint64, error)
		want    int64
		from    string
	}{
		"GOMEMLIMIT":          {1 << 30, limited(4 << 30), 512 << 20, "GOMEMLIMIT"},
		"a cgroup":            {math.MaxInt64, limited(256 << 20), 128 << 20, "cgroup"},
		"no limit":            {math.MaxInt64, limited(math.MaxUint64), defaultMemoryBudget, "default"},
		"version 1, no limit": {math.MaxInt64, limited(math.MaxInt64 &^ 4095), defaultMemoryBudget, "default"},
		"no cgroup":           {math.MaxInt64, none, defaultMemoryBudget, "default"},
	} {
		if got, from := budgetOf(tc.runtime, tc.cgroup); got != tc.want || !strings.Contains(from, tc.from) {
			t.Errorf("%s: %d from %s, want %d from %s", name, got, from, tc.want, tc.from)
		}
	}
}

// TestMemoryBudgetFlag: the flag goes before what there is, in the units that it is
// written in, and depends on how many sinks there are.
func TestMemoryBudgetFlag(t *testing.T) {
	s, err := parseFlags(t, "--watch=pods", "--memory-budget=96Mi")
	if err != nil {
		t.Fatal(err)
	}
	if got, from := s.memoryBudget(); got != 96<<20 || from != "--memory-budget" {
		t.Errorf("%d from %s", got, from)
	}
	_, err = parseFlags(t, "--watch=pods", "--sink=stdout:", "--sink=file:/a", "--sink=file:/b", "--memory-budget=96Mi")
	if err == nil || !strings.Contains(err.Error(), "--memory-budget") || !strings.Contains(err.Error(), "less than 115Mi") {
		t.Errorf("for three sinks: %v, want that it needs 115Mi", err)
	}
	// What there is is never too little.
	if s, err = parseFlags(t, "--watch=pods"); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.memoryBudget(); got < leastBudget(1) {
		t.Errorf("by default %d, less than is needed", got)
	}
	if got, from := s.memoryBudgetOf(90 << 20); got != leastBudget(1) || from != "the least for the sinks (1); half of GOMEMLIMIT is 47185920" {
		t.Errorf("of 90 MiB there are %d from %q", got, from)
	}
}
