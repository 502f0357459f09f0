package ledger

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestElected(t *testing.T) {
	last := Term{Number: 9, Lock: "a", Token: 7, Process: "p"}
	for name, tc := range map[string]struct {
		last    Term
		lock    string
		token   uint64
		process string
		want    uint64 // 0: refused
	}{
		"the first":                       {Term{}, "a", 7, "q", 7},
		"after a version without locks":   {Term{Number: 9}, "a", 7, "q", 10},
		"a higher one of these":           {Term{Number: 9}, "a", 12, "q", 12},
		"the next":                        {last, "a", 8, "q", 10},
		"one above the term":              {last, "a", 12, "q", 12},
		"the same process again":          {last, "a", 7, "p", 9},
		"the same process, lower":         {last, "a", 6, "p", 0},
		"another process with that token": {last, "a", 7, "q", 0},
		"a lower one":                     {last, "a", 6, "q", 0},
		"another lock":                    {last, "b", 6, "q", 10},
		"another lock, higher":            {last, "b", 60, "q", 60},
		"no term is left":                 {Term{Number: math.MaxUint64}, "b", 60, "q", 0},
	} {
		got, err := Elected(tc.lock, tc.token, tc.process)(tc.last)
		want := Term{Number: tc.want, Lock: tc.lock, Token: tc.token, Process: tc.process}
		if tc.want == 0 && err == nil || tc.want > 0 && (err != nil || got != want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	_, err := Elected("etcd:http://e/key", 6, "q")(Term{Number: 9, Lock: "etcd:http://e/key", Token: 7, Process: "p"})
	if !errors.Is(err, ErrLowerToken) {
		t.Fatal(err)
	}
	for _, want := range []string{"lock etcd:http://e/key", `"q", the token 6`, `"p"`, "token 7", "fairlead ledger forget --lock"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
}

func asLeader(t *testing.T, store Store, lock string, token uint64, process string) (*Ledger, error) {
	t.Helper()
	return Open(t.Context(), Options{Store: store, Term: Elected(lock, token, process)})
}

// TestALowerTokenIsRefused: a process was elected and stopped before it took its term,
// and another one has led since. It changes nothing, and writes nothing.
func TestALowerTokenIsRefused(t *testing.T) {
	store := newMemStore()
	if _, err := asLeader(t, store, "lock", 9, "later"); err != nil {
		t.Fatal(err)
	}
	was := fmt.Sprint(store.heads)
	if l, err := asLeader(t, store, "lock", 7, "stopped"); !errors.Is(err, ErrLowerToken) {
		t.Errorf("%v, %v", l, err)
	}
	if fmt.Sprint(store.heads) != was {
		t.Error("the store has changed")
	}
	if l, err := asLeader(t, store, "lock", 10, "next"); err != nil || l.Term() != 10 {
		t.Errorf("the next one: %v", err)
	}
}

// TestForgetLock: what stores the lock was made anew, and counts from below.
func TestForgetLock(t *testing.T) {
	store := newMemStore()
	if last, err := ForgetLock(t.Context(), store); err != nil || last != (Term{}) {
		t.Errorf("of an empty store: %+v, %v", last, err)
	}
	if _, err := asLeader(t, store, "lock", 9, "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := asLeader(t, store, "lock", 1, "q"); !errors.Is(err, ErrLowerToken) {
		t.Error(err)
	}
	if last, err := ForgetLock(t.Context(), store); err != nil || last != (Term{9, "lock", 9, "p"}) {
		t.Errorf("%+v, %v", last, err)
	}
	if l, err := asLeader(t, store, "lock", 1, "q"); err != nil || l.Term() != 10 {
		t.Errorf("after that: %v", err)
	}
	if _, err := asLeader(t, store, "lock", 1, "r"); !errors.Is(err, ErrLowerToken) {
		t.Errorf("it counts from there: %v", err)
	}
}

// TestALeaderWhoseAnswerIsLost has taken its term, and is not refused for it.
func TestALeaderWhoseAnswerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newMemStore()
		store := &oneProcess{meanwhile: meanwhile{memStore: inner}}
		inner.around = func(apply func() error) error {
			err := apply()
			if err == nil {
				inner.around = nil
				return errors.New("no answer")
			}
			return err
		}
		l, err := asLeader(t, store, "lock", 9, "p")
		if err != nil || l.Term() != 9 || store.loads != 2 {
			t.Errorf("%v, term %v, read %d times; want what was read after it", err, l, store.loads)
		}
	})
}

// TestLedgersOfOtherVersions: the term of a version that knows no lock is gone on
// from, and such a version reads what this one writes, and goes on from that.
func TestLedgersOfOtherVersions(t *testing.T) {
	store := newMemStore()
	if _, err := inTerm(t, store, 9); err != nil {
		t.Fatal(err)
	}
	if l, err := asLeader(t, store, "lock", 4, "p"); err != nil || l.Term() != 10 {
		t.Fatal(err)
	}
	for _, field := range []string{`"x-lock":"lock"`, `"x-token":4`, `"x-process":"p"`} {
		if head := string(store.heads[termKey]); !strings.Contains(head, field) {
			t.Errorf("%s is not in %s", field, head)
		}
	}
	if _, err := inTerm(t, store, 11); err != nil { // it loses them
		t.Fatal(err)
	}
	if l, err := asLeader(t, store, "lock", 3, "q"); err != nil || l.Term() != 12 {
		t.Error(err)
	}
}

// candidate is a process that was elected, and may be stopped before it takes its term.
type candidate struct {
	lock    string
	token   uint64
	process string
	era     int // of its lock
}

// playElections returns what is wrong, if anything.
func playElections(t *testing.T, seed uint64, choose func(c candidate) func(Term) (Term, error)) (wrong string) {
	r := rand.New(rand.NewPCG(seed, 3))
	store := newMemStore()
	token, lock, era := r.Uint64N(5), "a", 0
	var stopped []candidate
	latest, highest := candidate{}, uint64(0)
	for i := range 60 {
		switch x := r.Float64(); {
		case x < 0.45:
			token += 1 + r.Uint64N(3)
			stopped = append(stopped, candidate{lock, token, fmt.Sprint("process-", i), era})
		case x < 0.9 && len(stopped) > 0:
			at := len(stopped) - 1 - int(r.ExpFloat64())
			if at < 0 {
				continue
			}
			c := stopped[at]
			stopped = append(stopped[:at], stopped[at+1:]...)
			lost := r.IntN(4) == 0
			store.around = func(apply func() error) error {
				err := apply()
				if err == nil && lost {
					lost = false
					return errors.New("no answer")
				}
				return err
			}
			l, err := Open(t.Context(), Options{Store: store, Term: choose(c)})
			store.around = nil
			switch {
			case errors.Is(err, ErrLowerToken):
				if c.era == latest.era && c.token > latest.token {
					return fmt.Sprintf("%+v was refused after %+v", c, latest)
				}
			case err != nil:
				return err.Error()
			case c.era == latest.era && c.token <= latest.token:
				return fmt.Sprintf("%+v began term %d after %+v", c, l.Term(), latest)
			case l.Term() <= highest:
				return fmt.Sprintf("term %d after %d", l.Term(), highest)
			default:
				latest, highest = c, l.Term()
			}
		case x < 0.93:
			lock, token, stopped = lock+"'", r.Uint64N(20), nil
			era++
		case x < 0.96:
			token, stopped = r.Uint64N(token+1), nil
			era++
			if _, err := ForgetLock(t.Context(), store); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}

// TestRandomElections: processes are elected by a lock whose tokens grow, and take
// their terms late, in any order, with answers that are lost. The lock is exchanged at
// times, or set back, whereupon somebody lets the ledger forget it. Nobody begins a
// term when somebody has begun one who was elected later by the same lock.
func TestRandomElections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a lost answer is waited for
		needed := false
		for seed := range uint64(200) {
			if wrong := playElections(t, seed, func(c candidate) func(Term) (Term, error) { return Elected(c.lock, c.token, c.process) }); wrong != "" {
				t.Fatalf("seed %d: %s", seed, wrong)
			}
			needed = needed || playElections(t, seed, func(c candidate) func(Term) (Term, error) {
				return ofNumber(func(highest uint64) uint64 { return max(c.token, highest+1) })
			}) != ""
		}
		if !needed {
			t.Error("nothing goes wrong if tokens are not compared")
		}
	})
}
