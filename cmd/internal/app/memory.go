package app

import (
	"fmt"
	"math"

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
	return s.memoryBudgetOf(givenMemoryLimit)
}

// memoryBudgetOf is memoryBudget without the flag, where the runtime was given that limit.
func (s *settings) memoryBudgetOf(given int64) (limit int64, from string) {
	limit, from = budgetOf(given, memlimit.FromCgroup)
	if least := leastBudget(len(s.sinks)); limit < least {
		return least, fmt.Sprintf("the least for the sinks (%d); %s is %d", len(s.sinks), from, limit)
	}
	return limit, from
}

// budgetOf returns half of the limit that the runtime has been given, else of that of
// the cgroup, else the default.
func budgetOf(limit int64, cgroup func() (uint64, error)) (half int64, from string) {
	if limit < math.MaxInt64 {
		return limit / 2, "half of GOMEMLIMIT"
	}
	if n, ok := cgroupLimit(cgroup); ok {
		return n / 2, "half of the memory limit of the cgroup"
	}
	return defaultMemoryBudget, "the default"
}

// cgroupLimit returns the memory limit of the cgroup, in bytes; not ok: there is none. Where
// there is no cgroup or no limit, cgroup says so, or tells one beyond any machine's.
func cgroupLimit(cgroup func() (uint64, error)) (limit int64, ok bool) {
	n, err := cgroup()
	if err != nil || n == 0 || n >= mostBytes {
		return 0, false
	}
	return int64(n), true
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
