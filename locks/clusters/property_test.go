package clusters

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var runs = flag.Int("runs", 6, "simulated elections of ten minutes for each number of voters; 1000 take some minutes")

// TestNeverTwoHolders: whatever happens to requests, answers, processes and clocks, of
// three processes one leads at a time, terms grow, and none is that of two. See
// sim_test.go for what happens.
func TestNeverTwoHolders(t *testing.T) {
	for _, voters := range []int{3, 4, 5} {
		t.Run(fmt.Sprint(voters, " voters"), func(t *testing.T) {
			var led time.Duration
			terms := 0
			for seed := range uint64(*runs) {
				w := simulate(t, seed, voters, func(*world) {})
				for _, fault := range w.faults {
					t.Errorf("run %d: %s", seed, fault)
				}
				led, terms = led+w.led, terms+w.terms
			}
			share := led * 100 / time.Duration(*runs) / (10 * time.Minute)
			t.Logf("%d runs, %d terms, somebody led %d %% of the time", *runs, terms, share)
			if terms < 2**runs || share < 30 {
				t.Error("nobody leads: this tests little")
			}
		})
	}
}

// TestEachRuleIsNeeded: without any one of them two processes lead at a time. Those about
// voters that forget, and where time begins, are in rules_test.go.
func TestEachRuleIsNeeded(t *testing.T) {
	for name, off := range map[string]func(*world){
		"wait until a vote was unchanged for the lease duration": func(w *world) { w.rules.noWait = true },
		"count what is unknown as no":                            func(w *world) { w.rules.unknownIsYes = true },
		"a majority":                                             func(w *world) { w.rules.half = true },
	} {
		t.Run(name, func(t *testing.T) {
			const most = 200
			for seed := range uint64(most) {
				if w := simulate(t, seed, 3, off); len(w.faults) > 0 {
					t.Logf("run %d without it: %s", seed, w.faults[0])
					return
				}
			}
			t.Errorf("%d runs without this rule, and all is well", most)
		})
	}
}
