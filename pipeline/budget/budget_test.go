package budget_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// TestBudgetAgainstModel plays random accounts that take and give back, alone and
// together, against a model that looks at everything each time. At each step what is
// lent is within the bound, whoever is under the minimum that the accounts have been
// promised has what he asked for, and nobody waits for what there is room for while
// nobody is before him. At the end nothing is left.
func TestBudgetAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newBudgetRun(t, seed).play(400) })
		})
	}
}

// TestBudgetMinimum: one route takes all that it gets, and never gives anything back.
// Every account of another one can take its part nevertheless, again and again, and
// the largest that there is.
func TestBudgetMinimum(t *testing.T) {
	const limit, largest = 64 << 20, 20 << 20
	b := budget.New(limit, 2, largest)
	hung, well := b.Route(), b.Route()
	var accounts []*budget.Account
	for i := range 100 {
		accounts = append(accounts, well.Account(fmt.Sprint(i)))
		a := hung.Account(fmt.Sprint(i))
		defer a.Close()
	}
	for progress := true; progress; {
		progress = false
		for i := range 100 {
			a := hung.Account(fmt.Sprint(i))
			defer a.Close()
			if _, ok := a.Try(budget.Ask{Own: 4 << 10}); ok {
				progress = true
			}
		}
	}
	held := b.Stats().Held
	for range 3 {
		var loans []budget.Loan
		for _, a := range accounts {
			for range 8 {
				l, ok := a.Try(budget.Ask{Own: 4 << 10})
				if !ok {
					t.Fatal("an account that holds nothing has no part")
				}
				loans = append(loans, l)
			}
		}
		l, ok := accounts[0].Try(budget.Ask{Own: largest})
		if !ok {
			t.Fatal("a route that holds nothing has no room for the largest that there is")
		}
		if s := b.Stats(); s.Held > limit {
			t.Fatalf("%d bytes are lent of %d", s.Held, limit)
		}
		for _, l := range append(loans, l) {
			l.Release()
		}
		if s := b.Stats(); s.Held != held {
			t.Fatalf("%d bytes are held, want %d as before", s.Held, held)
		}
	}
}

// TestBudgetWeight: of what several wait for, each has as much as it weighs.
func TestBudgetWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, larger = 2 << 20, 24 << 20
		b := budget.New(64<<20, 1, larger)
		s := b.Route()
		s.SetWeight("heavy", 3)
		// So that what waits is more than a part.
		for i := range 100 {
			defer s.Account(fmt.Sprint(i)).Close()
		}
		flood, err := s.Account("flood").Take(t.Context(), budget.Ask{Own: larger})
		if err != nil {
			t.Fatal(err)
		}
		for _, ok := s.Account("flood").Try(budget.Ask{Own: each}); ok; {
			_, ok = s.Account("flood").Try(budget.Ask{Own: each})
		}
		got := map[string]int{}
		var mu sync.Mutex
		for _, cluster := range []string{"heavy", "light"} {
			a := s.Account(cluster)
			for range 20 {
				go func() {
					if _, err := a.Take(t.Context(), budget.Ask{Own: each}); err == nil {
						mu.Lock()
						defer mu.Unlock()
						got[cluster]++
					}
				}()
				synctest.Wait()
			}
		}
		flood.Release()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if got["heavy"] != 9 || got["light"] != 3 {
			t.Errorf("admitted %v, want 9 and 3", got)
		}
	})
}

// TestBudgetNil: no budget is no bound.
func TestBudgetNil(t *testing.T) {
	var b *budget.Budget
	a := b.Route().Account("c")
	l, err := a.Take(t.Context(), budget.Ask{Own: 1 << 60})
	if err != nil || !l.IsZero() || b.Stats() != (budget.Stats{}) {
		t.Errorf("got %v, %v", l, err)
	}
	l.Release()
	a.Close()
}

// budgetRun plays a budget beside its model.
type budgetRun struct {
	t        *testing.T
	r        *rand.Rand
	b        *budget.Budget
	shares   []*budget.Share
	limit    int64
	accounts []*budgetAccount
	loans    []*budgetLoan
	waiting  []*budgetWait // in the order they came
}

type budgetAccount struct {
	*budget.Account
	route   int
	cluster string
}

type budgetLoan struct {
	budget.Loan
	account *budgetAccount
	ask     budget.Ask
}

type budgetWait struct {
	account *budgetAccount
	ask     budget.Ask
	cancel  context.CancelFunc
	done    chan struct{}
	loan    budget.Loan
	err     error
}

const budgetLargest = 64 << 10

func newBudgetRun(t *testing.T, seed uint64) *budgetRun {
	r := &budgetRun{t: t, r: rand.New(rand.NewPCG(seed, 1))}
	routes := 1 + r.r.IntN(3)
	r.limit = max(budget.Least(routes, budgetLargest), int64(16<<20+r.r.IntN(8<<20)))
	r.b = budget.New(r.limit, routes, budgetLargest)
	for range routes {
		r.shares = append(r.shares, r.b.Route())
	}
	return r
}

// play does random things, with sizes that fill the budget soon.
func (r *budgetRun) play(steps int) {
	for range steps {
		switch k := r.r.IntN(20); {
		case k < 3 || len(r.accounts) == 0:
			route, cluster := r.r.IntN(len(r.shares)), fmt.Sprint(r.r.IntN(6))
			r.accounts = append(r.accounts, &budgetAccount{r.shares[route].Account(cluster), route, cluster})
			r.shares[route].SetWeight(cluster, r.r.IntN(4))
		case k == 3 && len(r.accounts) > 3:
			i := r.r.IntN(len(r.accounts))
			r.accounts[i].Close()
			r.accounts = slices.Delete(r.accounts, i, i+1)
		case k < 12:
			r.take()
		case k < 14:
			r.exchange()
		case k < 15 && len(r.waiting) > 0:
			r.waiting[r.r.IntN(len(r.waiting))].cancel()
		case len(r.loans) > 0:
			i := r.r.IntN(len(r.loans))
			r.loans[i].Release()
			r.loans = slices.Delete(r.loans, i, i+1)
		}
		r.settle()
		r.check()
	}
	r.end()
}

// take asks several accounts of one cluster for the same object, or one.
func (r *budgetRun) take() {
	first := r.accounts[r.r.IntN(len(r.accounts))]
	of := []*budgetAccount{first}
	for _, a := range r.accounts {
		if a.cluster == first.cluster && !slices.ContainsFunc(of, func(o *budgetAccount) bool { return o.route == a.route }) {
			of = append(of, a)
		}
	}
	of = of[:1+r.r.IntN(len(of))]
	ask := budget.Ask{Object: r.r.IntN(4 << 20), Own: 512, Reading: r.r.IntN(4) == 0}
	if r.r.IntN(2) == 0 {
		ask.Object = r.r.IntN(64 << 10)
	}
	if len(of) > 1 {
		ask.Together = budget.NewTogether(len(of))
	}
	for _, a := range of {
		if l, ok := a.Try(ask); ok {
			r.loans = append(r.loans, &budgetLoan{l, a, ask})
			continue
		}
		if r.r.IntN(3) == 0 {
			continue
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		w := &budgetWait{account: a, ask: ask, cancel: cancel, done: make(chan struct{})}
		r.waiting = append(r.waiting, w)
		go func() {
			defer close(w.done)
			w.loan, w.err = a.Take(ctx, ask)
		}()
		synctest.Wait()
	}
}

// exchange makes something smaller of all loans of one object.
func (r *budgetRun) exchange() {
	if len(r.loans) == 0 {
		return
	}
	some := r.loans[r.r.IntN(len(r.loans))]
	if slices.ContainsFunc(r.waiting, func(w *budgetWait) bool { return w.ask.Together == some.ask.Together }) {
		return
	}
	var all []*budgetLoan
	for _, l := range r.loans {
		if l == some || some.ask.Together != nil && l.ask.Together == some.ask.Together {
			all = append(all, l)
		}
	}
	ask := budget.Ask{Object: r.r.IntN(some.ask.Object + 1), Own: 512}
	if len(all) > 1 {
		ask.Together = budget.NewTogether(len(all))
	}
	loans, asks, taken := make([]budget.Loan, len(all)), make([]budget.Ask, len(all)), make([]budget.Loan, len(all))
	for i, l := range all {
		loans[i], asks[i] = l.Loan, ask
	}
	budget.Exchange(loans, asks, taken)
	for i, l := range all {
		if taken[i].IsZero() {
			r.t.Fatal("less than what there was is not there")
		}
		l.Loan, l.ask = taken[i], ask
	}
}

// settle notes who does not wait any more.
func (r *budgetRun) settle() {
	synctest.Wait()
	r.waiting = slices.DeleteFunc(r.waiting, func(w *budgetWait) bool {
		select {
		case <-w.done:
		default:
			return false
		}
		w.cancel()
		if w.err == nil {
			r.loans = append(r.loans, &budgetLoan{w.loan, w.account, w.ask})
		}
		return true
	})
}

// sums returns what all loans take: what is shared once.
func (r *budgetRun) sums() (reading, held int64) {
	seen := map[*budget.Together]bool{}
	for _, l := range r.loans {
		n := int64(l.ask.Own)
		if t := l.ask.Together; t == nil || !seen[t] {
			n += int64(l.ask.Object)
			seen[t] = t != nil
		}
		if l.ask.Reading {
			reading += n
		} else {
			held += n
		}
	}
	return reading, held
}

func (r *budgetRun) check() {
	r.t.Helper()
	s := r.b.Stats()
	reading, held := r.sums()
	if s.Reading != reading || s.Held != held {
		r.t.Fatalf("it says that %d and %d are lent, the model says %d and %d", s.Reading, s.Held, reading, held)
	}
	if held+reading > r.limit {
		r.t.Fatalf("%d bytes are lent, the bound is %d", held+reading, r.limit)
	}
	if (s.Waiting > 0) != (len(r.waiting) > 0) {
		r.t.Fatalf("%d accounts wait, the model has %d that do", s.Waiting, len(r.waiting))
	}
	if why := r.b.Unfair(); why != "" {
		r.t.Fatal(why)
	}
}

func (r *budgetRun) end() {
	for _, w := range r.waiting {
		w.cancel()
	}
	r.settle()
	if len(r.waiting) > 0 {
		r.t.Fatalf("%d wait although their contexts have ended", len(r.waiting))
	}
	for _, l := range r.loans {
		l.Release()
	}
	for _, a := range r.accounts {
		a.Close()
	}
	if why := r.b.Leaks(); why != "" {
		r.t.Fatal(why)
	}
}
