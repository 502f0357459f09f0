// Package synctest is testing/synctest for tests that the race detector survives.
//
// In Go 1.26 all timers of a bubble share one context of the race detector, and goroutines
// of the bubble run those that are due from several threads at once: the detector's record
// of stacks breaks, and the process dies of SIGSEGV sooner or later (golang/go#78156). With
// one thread at a time that cannot happen. The detector finds no fewer races so: it goes by
// what happens before what, not by what happens at the same time.
package synctest

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test. While any bubble is open in a binary with the race detector, Go
// code runs on one thread at a time.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if isRace {
		threads.restrict()
		defer threads.release()
	}
	synctest.Test(t, f)
}

// Wait is synctest.Wait.
func Wait() { synctest.Wait() }

var threads restriction

// restriction bounds GOMAXPROCS while it is held at least once.
type restriction struct {
	mu     sync.Mutex
	held   int
	before int
}

func (r *restriction) restrict() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held++; r.held == 1 {
		r.before = runtime.GOMAXPROCS(1)
	}
}

func (r *restriction) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held--; r.held == 0 {
		runtime.GOMAXPROCS(r.before)
	}
}
