package app

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// defaultMemoryBudget is --memory-budget where nothing says how much memory there is.
const defaultMemoryBudget = 512 << 20

// leastBudget is what --memory-budget must be at the least for so many sinks.
func leastBudget(sinks int) int64 { return budget.Least(sinks, stream.MostReading) }

// memoryBudget returns how much memory may be used, in bytes, and what that follows
// from.
func (s *settings) memoryBudget() (limit int64, from string) {
	if s.MemoryBudget > 0 {
		return int64(s.MemoryBudget), "--memory-budget"
	}
	limit, from = budgetOf(debug.SetMemoryLimit(-1), memlimit.FromCgroup)
	if least := leastBudget(len(s.sinks)); limit < least {
		return least, fmt.Sprintf("the least for the sinks (%d); %s is %d", len(s.sinks), from, limit)
	}
	return limit, from
}

// checkBatches reports sinks that wait for batches which the memory never holds: they
// would wait in vain each time, and keep the memory from the others meanwhile. A batch may
// have half of a sink's part, because the next one gathers while it is written.
func (s *settings) checkBatches() error {
	var p problems
	limit, from := s.memoryBudget()
	most := limit / int64(2*len(s.sinks))
	for _, spec := range s.sinks {
		if spec.Linger > 0 && int64(spec.MaxBytes) > most {
			p.add("sink", "%q waits for batches of %s, and of the memory for changes (%s, %s) a batch may have %s: half of each sink's part. Give a smaller size=, or a larger --memory-budget",
				spec.Identity, shown(byteSize(spec.MaxBytes)), shown(byteSize(limit)), from, shown(byteSize(most)))
		}
	}
	return errors.Join(p...)
}

// budgetOf returns half of the limit that the runtime has been given, else of that of
// the cgroup, else the default.
func budgetOf(limit int64, cgroup func() (uint64, error)) (half int64, from string) {
	if limit < math.MaxInt64 {
		return limit / 2, "half of GOMEMLIMIT"
	}
	// Where there is no cgroup or no limit, it says so, or tells one beyond any machine's.
	if n, err := cgroup(); err == nil && n > 0 && n < mostBytes {
		return int64(n / 2), "half of the memory limit of the cgroup"
	}
	return defaultMemoryBudget, "the default"
}

// newBudget makes the memory budget, which the routes share.
func (p *program) newBudget(s *settings) *budget.Budget {
	limit, from := s.memoryBudget()
	p.log.Info("Memory for what is read, waits or is in work", "bytes", limit, "from", from)
	return budget.New(limit, len(s.sinks), stream.MostReading)
}

// inWorkBytes returns the sizes of what is in work, over all routes.
func (rs routes) inWorkBytes() (n int64) {
	for _, r := range rs {
		for _, l := range r.queue.Lanes() {
			n += l.InFlightBytes
		}
	}
	return n
}
