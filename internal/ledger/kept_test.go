package ledger

import (
	"context"
	"errors"
	"fmt"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runLedger runs a ledger until end is called, whatever its store says then.
func runLedger(t *testing.T, l *Ledger) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		cancel()
		_ = <-done // its store may fail
	}
}

// What is kept is what was kept last, whatever fails between, also for a process that
// begins after a crash; and what is confirmed is in the store.
func TestKeep(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			store := &testStore{memStore: newMemStore()}
			stored := map[string]string{}
			for process := range 4 {
				l, err := inTerm(t, store, uint64(process)+1)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(fmt.Sprint(stored), fmt.Sprint(l.Kept())); diff != "" {
					t.Fatalf("seed %d, process %d (-want +got):\n%s", seed, process, diff)
				}
				want := maps.Clone(stored)
				end := runLedger(t, l)
				for range 20 {
					failing := r.IntN(4) == 0
					if failing {
						store.fail(errors.New("disk full"))
					} else {
						store.fail(nil)
					}
					key, value := fmt.Sprint("k", r.IntN(5)), ""
					if r.IntN(3) > 0 {
						value = fmt.Sprint("v", r.IntN(1000))
					}
					ctx, cancel := context.WithCancel(t.Context())
					if failing {
						cancel()
					}
					if err := l.Keep(key, value); err != nil {
						t.Fatal(err)
					}
					err := l.FlushKept(ctx)
					cancel()
					want[key] = value
					if value == "" {
						delete(want, key)
					}
					if (err != nil) != failing {
						t.Fatalf("seed %d: a store that fails: %v, and FlushKept returns %v", seed, failing, err)
					}
					if err == nil {
						stored = maps.Clone(want) // all of it
					}
					if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(l.Kept())); diff != "" {
						t.Fatalf("seed %d: %s", seed, diff)
					}
				}
				if r.IntN(2) == 0 { // in order
					store.fail(nil)
					stored = maps.Clone(want)
				} else {
					store.fail(errors.New("killed"))
				}
				end()
				store.fail(nil)
			}
		})
	}
}

// A process of an earlier term keeps nothing in the store of a later one.
func TestKeepOfAnEarlierTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &testStore{memStore: newMemStore()}
		before, err := inTerm(t, store, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inTerm(t, store, 2); err != nil {
			t.Fatal(err)
		}
		end := runLedger(t, before)
		if err := before.Keep("k", "v"); err != nil {
			t.Error(err)
		}
		if err := before.FlushKept(t.Context()); err == nil {
			t.Error("it is confirmed")
		}
		end()
		after, err := inTerm(t, store, 2)
		if err != nil || len(after.Kept()) != 0 {
			t.Errorf("kept: %v, %v", after.Kept(), err)
		}
	})
}

func TestKeepIsBounded(t *testing.T) {
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Keep("k", strings.Repeat("x", MostKeptBytes)); err == nil {
		t.Error("a value that is too large is kept")
	}
	for i := range MostKept {
		if err := l.Keep(fmt.Sprint(i), "v"); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Keep("more", "v"); err == nil {
		t.Error("more than is allowed is kept")
	}
	if err := l.Keep("1", "other"); err != nil || l.Kept()["1"] != "other" {
		t.Errorf("another value: %v", err)
	}
	if err := l.Keep("2", ""); err != nil || len(l.Kept()) != MostKept-1 {
		t.Errorf("one less: %v", err)
	}
}
