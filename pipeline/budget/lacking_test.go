package budget_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// fill returns a budget of 64 MiB of which 1 MiB is left. One account has taken more than
// its part became; the last two of the others have all or most of theirs to come.
func fill(t *testing.T) (b *budget.Budget, routeLoans []budget.Loan, acc []*budget.Account) {
	const M = 1 << 20
	b = budget.New(64*M, 1, 4*M) // route 16, lanes 32, common 16
	s := b.Route()
	first := s.Account("first")
	for range 32 {
		if _, ok := first.Try(budget.Ask{Own: M}); !ok {
			t.Fatal("own")
		}
	}
	for i := range 7 {
		acc = append(acc, s.Account(fmt.Sprint(i)))
	}
	// least 32/9 = 3.55 MiB, 16 left for parts
	for i := range 4 {
		if _, ok := acc[i].Try(budget.Ask{Own: 7 * M / 2}); !ok {
			t.Fatal("part", i)
		}
	}
	if _, ok := acc[4].Try(budget.Ask{Own: M}); !ok {
		t.Fatal("part 4")
	}
	for range 16 {
		l, ok := first.Try(budget.Ask{Own: M})
		if !ok {
			t.Fatal("route")
		}
		routeLoans = append(routeLoans, l)
	}
	return b, routeLoans, acc
}

// One that lacks something of its part is let in as soon as there is some, also if who was
// before it has had it of another part.
func TestBudgetWakesWhoIsNextOfThoseThatLack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const M = 1 << 20
		b, route, acc := fill(t)
		var x, y budget.Loan
		go func() { x, _ = acc[5].Take(t.Context(), budget.Ask{Own: 3 * M}) }()
		synctest.Wait()
		go func() { y, _ = acc[6].Take(t.Context(), budget.Ask{Own: M / 2}) }()
		synctest.Wait()
		for i := range 3 {
			route[i].Release()
		}
		synctest.Wait()
		if x.IsZero() || b.Unfair() != "" {
			t.Error("unfair:", b.Unfair())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if y.IsZero() {
			t.Error("y waits for 0.5 MiB of its untouched part, 1 MiB is free")
		}
	})
}
