package app

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// The Go runtime lets the heap grow to twice of what is in use before it collects garbage. A
// program that has filled its budget would take twice the budget. GOMEMLIMIT ends that. Where
// it is not set, the program sets the same limit by itself:
//
//	the budget + what else is in use + room: a quarter of that, leastRoom at least
//
// What else is in use are the ledger's objects, the streams and all that is not in the budget.
// It is measured, not computed from numbers of objects: a limit that is lower than what is in
// use has the runtime collect without a pause, with up to half of the CPU, and frees nothing.
// What comes to be in use is known with the look after the next collection. Until then, for
// limitAgain at most once the limit is reached, the limit can be too low.
const (
	// leastRoom is for garbage, and for parts of the heap that are too small to be used. Of the
	// 128 MiB that a process may take beside its budget and what it knows, the program without
	// anything takes some 45 MiB, and its text, which is not the runtime's, 30 to 60 MiB.
	leastRoom = 40 << 20
	// limitStep is what the limit is a multiple of.
	limitStep = 8 << 20
	// limitAgain is the time between two looks.
	limitAgain = 5 * time.Second
	// limitRemembers is of how many collections the highest measurement counts. Each may be too
	// low by what is lent at two looks and not between them.
	limitRemembers = 3
)

// givenMemoryLimit is the limit that the runtime was started with: GOMEMLIMIT, or
// math.MaxInt64.
var givenMemoryLimit = debug.SetMemoryLimit(-1)

// limitMemory sets the runtime's limit until ctx ends, unless GOMEMLIMIT says what it is, be it
// "off". It returns nil.
func (p *program) limitMemory(ctx context.Context) error {
	if os.Getenv("GOMEMLIMIT") != "" {
		<-ctx.Done()
		return nil
	}
	defer debug.SetMemoryLimit(math.MaxInt64)
	rule := softLimit{most: mostForGo(memlimit.FromCgroup)}
	again := time.NewTicker(limitAgain)
	defer again.Stop()
	for {
		s := p.current().memory.Stats()
		debug.SetMemoryLimit(rule.next(readGoMemory(), s.Limit, s.Held+s.Reading))
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// mostForGo is nine tenths of the container's memory limit, as in the chart and the manifests;
// math.MaxInt64 if it has none.
func mostForGo(cgroup func() (uint64, error)) int64 {
	if n, ok := cgroupLimit(cgroup); ok {
		return n / 10 * 9
	}
	return math.MaxInt64
}

// goMemory is what the runtime has memory for, in bytes.
type goMemory struct {
	cycles uint64 // collections so far
	live   int64  // what the last one has found in use on the heap
	other  int64  // stacks and what the runtime needs itself
}

// readGoMemory asks the runtime. It stops nothing.
func readGoMemory() (m goMemory) {
	samples := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	bytes := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	m.cycles, m.live, m.other = samples[0].Value.Uint64(), bytes(1), bytes(2)
	for i := 3; i < len(samples); i++ {
		m.other -= bytes(i)
	}
	return m
}

// softLimit is the rule of the limit. One goroutine uses it.
type softLimit struct {
	most   int64 // that the limit may be
	cycles uint64
	lent   int64 // of the budget, when it was last asked
	// beside is what was in use on the heap beside that, as of the last collections, the last
	// one first.
	beside [limitRemembers]int64
}

// next returns the limit, given the budget and what of it is lent. What was lent when the last
// collection was made is not known. The lower of what is lent now and what was before is no more
// than that, unless less was lent between the two looks: so that one dip, or two, do not make the
// limit lower than what is in use, the highest of some collections counts. The limit is higher
// than it has to be for as long.
func (s *softLimit) next(m goMemory, budget, lent int64) int64 {
	if m.cycles != s.cycles {
		copy(s.beside[1:], s.beside[:])
		s.cycles, s.beside[0] = m.cycles, max(m.live-min(lent, s.lent), 0)
	}
	s.lent = lent
	beside := slices.Max(s.beside[:]) + max(m.other, 0)
	limit := budget + beside + max(beside/4, leastRoom)
	return min((limit+limitStep-1)/limitStep*limitStep, s.most)
}
