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

// One that lacks much of its part has its turn, although others take and give back without
// end as much as there is; but those that want no more than an even share of it do not wait
// for that.
func TestBudgetSmallAsksDoNotWaitForALargeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const M = 1 << 20
		b := budget.New(64*M, 1, 4*M) // route 16, lanes 32, common 16
		s := b.Route()
		first := s.Account("first")
		for range 32 {
			if _, ok := first.Try(budget.Ask{Own: M}); !ok {
				t.Fatal("it has no part")
			}
		}
		var others []*budget.Account
		for i := range 8 {
			others = append(others, s.Account(fmt.Sprint(i)))
		}
		for range 16 {
			if _, ok := first.Try(budget.Ask{Own: M}); !ok {
				t.Fatal("the route has no part")
			}
		}
		// Each part is a ninth of 32 MiB, and 16 MiB are left for eight of them: 2 MiB for each.
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		cycle := func(a *budget.Account, n int, hold time.Duration, longest time.Duration) {
			load.Go(func() {
				for ctx.Err() == nil {
					began := time.Now()
					l, err := a.Take(ctx, budget.Ask{Own: n})
					if err != nil {
						return
					}
					if took := time.Since(began); took > longest {
						t.Errorf("%d bytes came after %s", n, took)
					}
					if why := b.Unfair(); why != "" {
						t.Error(why)
					}
					time.Sleep(hold)
					l.Release()
				}
			})
		}
		for i := range 6 {
			cycle(others[i], 5*M/2, time.Second, time.Minute) // more than an even share
		}
		time.Sleep(100 * time.Millisecond)
		large := make(chan time.Time, 1)
		load.Go(func() {
			l, err := others[6].Take(ctx, budget.Ask{Own: 3 * M})
			if err != nil {
				t.Error(err)
				return
			}
			large <- time.Now()
			l.Release()
		})
		synctest.Wait()
		cycle(others[7], M/2, 10*time.Millisecond, 0)
		time.Sleep(5 * time.Second)
		if len(large) != 1 {
			t.Error("the large one has not had its turn")
		}
		cancel()
		load.Wait()
	})
}
