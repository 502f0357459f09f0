package budget_test

import (
	"fmt"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// One account takes most of its part, which is large because there are no others, and
// another one takes all that it can get; neither gives anything back. Those that came
// between them have their parts all the same: what the first has beyond its part, now
// that this is smaller, counts in common.
func TestBudgetLateAccounts(t *testing.T) {
	const limit, largest, each = 256 << 20, 1 << 20, 4 << 10
	b := budget.New(limit, 1, largest)
	s := b.Route()
	first := s.Account("first")
	defer first.Close()
	for b.Stats().Held < 60<<20 {
		l, ok := first.Try(budget.Ask{Own: each})
		if !ok {
			t.Fatal("it has no part")
		}
		defer l.Release()
	}
	var late []*budget.Account
	for i := range 20 {
		late = append(late, s.Account(fmt.Sprint(i)))
		defer late[i].Close()
	}
	hung := s.Account("hung")
	defer hung.Close()
	for l, ok := hung.Try(budget.Ask{Own: each}); ok; l, ok = hung.Try(budget.Ask{Own: each}) {
		defer l.Release()
	}
	for i, a := range late {
		for range 4 << 20 / each {
			l, ok := a.Try(budget.Ask{Own: each})
			if !ok {
				t.Fatalf("account %d has no part", i)
			}
			defer l.Release()
		}
	}
	if s := b.Stats(); s.Held > limit {
		t.Errorf("%d bytes are lent of %d", s.Held, limit)
	}
}
