//go:build linux && !race

package app

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// TestNoAllocBeyondBudgetOfTheProgram has many members fill the program while its sink
// hangs: with objects of which their lanes would hold six times the budget, and with one
// of several MiB. It stays within budget and 128 MiB, and delivers all of them in the end.
func TestNoAllocBeyondBudgetOfTheProgram(t *testing.T) {
	const members, objects, size, large, budget = 18, 18, 1 << 20, 9 << 20, 49 << 20
	text := func(n int) map[string]any { return map[string]any{"data": map[string]any{"k": strings.Repeat("x", n)}} }
	small := text(size)
	var all []testenv.Target
	for i := range members {
		h := testenv.StartHostile(t, fmt.Sprint("m-", i)) // it tells no lies
		for j := range objects {
			h.Put("configmaps", "default", fmt.Sprint("o-", j), small)
		}
		all = append(all, h)
	}
	all[0].(*testenv.Hostile).Put("configmaps", "default", "large", text(large))

	t.Setenv("GOMEMLIMIT", "") // the program limits garbage by itself
	dir := t.TempDir()
	p := startKeeper(t, "limit", dir, "--clusters=kubeconfig:"+writeKubeconfig(t, all...), "--watch=configmaps",
		"--ledger="+filepath.Join(dir, "ledger"), "--cluster-qps=0", fmt.Sprint("--memory-budget=", budget),
		"--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", "--admin-bind-address=0")
	p.out.stall()
	p.start()
	least, most, lent, limit := 1<<40, 0, 0, 0
	waiting := 0 // lanes
	look := func() {
		now := map[string]int{} // of one answer: memory that was read into waits a moment later
		_, body := p.try(p.metrics, "/metrics")
		for line := range strings.Lines(body) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			n, _ := strconv.ParseFloat(value, 64)
			now[name] = int(n)
		}
		if resident := now["process_resident_memory_bytes"]; resident > 0 {
			least, most = min(least, resident), max(most, resident)
		}
		bytes := func(use string) int { return now[fmt.Sprintf("fairlead_memory_budget_bytes{use=%q}", use)] }
		lent = max(lent, bytes("reading")+bytes("waiting")+bytes("in_flight"))
		waiting = now["fairlead_memory_budget_waiting_lanes"]
		limit = max(limit, now["go_gc_gomemlimit_bytes"])
	}
	look()
	p.await("all members wait for memory", func() bool {
		look()
		return waiting >= members/2
	})
	p.out.release()
	had := map[string]bool{}
	p.await("everything is delivered", func() bool {
		look()
		for _, e := range p.out.received() {
			had[e.Cluster+" "+e.Key().Name] = true
		}
		return len(had) == members*objects+1
	})
	t.Logf("%d MiB resident at first, %d MiB at the most, %d MiB lent, limit of the runtime %d MiB", least>>20, most>>20, lent>>20, limit>>20)
	if limit < budget || limit > 1<<30 {
		t.Errorf("the runtime has a limit of %d bytes", limit)
	}
	if lent == 0 || lent > budget {
		t.Errorf("%d bytes were lent of %d", lent, budget)
	}
	if most > least+budget+128<<20 {
		t.Errorf("%d MiB beyond the first %d MiB, want at most the budget and 128 MiB", (most-least)>>20, least>>20)
	}
	p.do("stop")
}
