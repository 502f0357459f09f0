package budget_test

import (
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// Whoever has to wait has all routes give back what they need not keep: at once, and again
// while he waits. Nobody is asked for anything while nobody waits.
func TestBudgetPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1 << 20
		b := budget.New(0, 2, most)
		held, wants := b.Route().Account("c"), b.Route()
		var mu sync.Mutex
		var idle []budget.Loan
		asked := 0
		wants.OnPressure(func() {
			mu.Lock()
			defer mu.Unlock()
			asked++
			for i := range idle {
				idle[i].Shrink(budget.Ask{Own: 1})
			}
			idle = nil
		})
		for l, ok := held.Try(budget.Ask{Own: most}); ok; l, ok = held.Try(budget.Ask{Own: most}) {
			idle = append(idle, l)
		}
		all := len(idle)
		a := wants.Account("c")
		for l, ok := a.Try(budget.Ask{Own: most}); ok; l, ok = a.Try(budget.Ask{Own: most}) {
			idle = append(idle, l)
		}
		if asked != 0 || all == 0 || len(idle) == all || idle[0].Contended() {
			t.Fatalf("asked %d times although nobody waits; %d and %d loans", asked, all, len(idle))
		}
		later := idle
		idle = idle[:0:0]
		got := make(chan budget.Loan, 1)
		go func() {
			l, err := a.Take(t.Context(), budget.Ask{Own: most})
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		synctest.Wait()
		if mu.Lock(); asked != 1 || !later[0].Contended() {
			t.Errorf("asked %d times, want once", asked)
		}
		idle = later
		mu.Unlock()
		time.Sleep(2 * time.Second)
		if len(got) != 1 {
			t.Fatal("it waits for what could be given back")
		}
	})
}
