package budget_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// One account never gives anything back, and another waits for more than is left: the
// others go on with that, be they of its route or of another one.
func TestBudgetFirstThatCannotBeServed(t *testing.T) {
	for name, test := range map[string]struct{ limit, held int64 }{
		"nothing is in common":  {128 << 20, 2 << 20},
		"it could be in common": {256 << 20, 70 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const largest, large = 33 << 20, 32 << 20
				b := budget.New(test.limit, 2, largest)
				shares := []*budget.Share{b.Route(), b.Route()}
				for i := range 200 {
					for _, s := range shares {
						defer s.Account(fmt.Sprint(i)).Close()
					}
				}
				hung := shares[0].Account("hung")
				defer hung.Close()
				var held []budget.Loan
				for b.Stats().Held < test.held {
					l, ok := hung.Try(budget.Ask{Own: 1 << 20})
					if !ok {
						t.Fatal("there is less than it is to hold")
					}
					held = append(held, l)
				}
				first := shares[0].Account("first")
				defer first.Close()
				got := make(chan time.Time, 1)
				var waiting sync.WaitGroup
				waiting.Go(func() {
					l, err := first.Take(t.Context(), budget.Ask{Own: large})
					if err != nil {
						t.Error(err)
					}
					got <- time.Now()
					l.Release()
				})
				synctest.Wait()
				for i, s := range shares {
					a := s.Account("well")
					for range 10 {
						began := time.Now()
						ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
						l, err := a.Take(ctx, budget.Ask{Own: 1 << 20})
						cancel()
						if err != nil {
							t.Errorf("route %d: %v", i, err)
							break
						}
						if took := time.Since(began); took > 2*time.Minute {
							t.Errorf("route %d: it took %s", i, took)
						}
						l.Release()
						if why := b.Unfair(); why != "" {
							t.Fatal(why)
						}
					}
					a.Close()
				}
				for i := range held {
					held[i].Release()
				}
				waiting.Wait()
				if len(got) != 1 {
					t.Error("the first has not been served")
				}
			})
		})
	}
}
