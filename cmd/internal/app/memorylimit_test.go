package app

import (
	"errors"
	"math"
	"runtime"
	"testing"
)

// TestMemoryLimitOfTheRuntime: the limit stays above what was in use beside the budget when the
// last collections were made, with room for garbage, whenever the changes in the budget came.
func TestMemoryLimitOfTheRuntime(t *testing.T) {
	const mib, budget = 1 << 20, 512 << 20
	type look struct {
		cycles           uint64
		live, lent, want int64 // in MiB
	}
	for name, looks := range map[string][]look{
		"nothing is known":                       {{1, 0, 0, 552}},
		"what is known grows":                    {{1, 200, 0, 768}, {2, 400, 0, 1016}},
		"changes are in the budget already":      {{1, 200, 0, 768}, {2, 712, 512, 1408}, {3, 712, 512, 1408}, {4, 712, 512, 1408}, {5, 712, 512, 768}},
		"no collection since the budget is full": {{1, 200, 0, 768}, {1, 200, 512, 768}, {1, 200, 512, 768}},
		"collected before the budget was full":   {{1, 200, 0, 768}, {2, 200, 512, 768}},
		"collected before the budget was free":   {{1, 712, 512, 1408}, {2, 712, 0, 1408}, {3, 200, 0, 1408}, {3, 200, 0, 1408}, {4, 200, 0, 1408}, {5, 200, 0, 768}},
		"more is lent than is on the heap":       {{1, 200, 512, 768}, {2, 400, 512, 768}, {3, 400, 512, 768}, {4, 400, 512, 552}},
		"less is lent between two looks":         {{1, 400, 0, 1016}, {1, 400, 512, 1016}, {2, 400, 512, 1016}, {3, 912, 512, 1016}, {4, 400, 512, 1016}, {5, 400, 512, 1016}, {6, 912, 512, 1016}},
		"it is rounded up":                       {{1, 1, 0, 560}},
		"the container has no more":              {{1, 3000, 0, 2000}},
	} {
		s := softLimit{most: 2000 * mib}
		for i, l := range looks {
			if got := s.next(goMemory{cycles: l.cycles, live: l.live * mib}, budget, l.lent*mib); got != l.want*mib {
				t.Errorf("%s, look %d: %d MiB, want %d", name, i+1, got/mib, l.want)
			}
		}
	}
	if got := (&softLimit{most: math.MaxInt64}).next(goMemory{other: 40 * mib}, budget, 0); got != 592*mib {
		t.Errorf("with stacks of 40 MiB %d MiB", got/mib)
	}
}

// TestGoMemoryIsRead: the runtime knows all the names that it is asked for.
func TestGoMemoryIsRead(t *testing.T) {
	before := readGoMemory()
	kept := make([]byte, 64<<20)
	runtime.GC()
	m := readGoMemory()
	runtime.KeepAlive(kept)
	if m.cycles <= before.cycles || m.live < 64<<20 || m.other <= 0 {
		t.Errorf("before %+v, then %+v", before, m)
	}
}

func TestMostForGo(t *testing.T) {
	if got := mostForGo(func() (uint64, error) { return 1000 << 20, nil }); got != 900<<20 {
		t.Errorf("of 1000 MiB %d", got)
	}
	if got := mostForGo(func() (uint64, error) { return 0, errors.New("no cgroup here") }); got != math.MaxInt64 {
		t.Errorf("without a cgroup %d", got)
	}
}
