package locktest

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// forgets has Get take a record for one that nobody holds.
func forgets(ended func(l *MemoryLock, r resourcelock.LeaderElectionRecord) bool) mutant {
	return mutant{get: func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
		r, raw, err := l.Get(ctx)
		if err == nil && r.HolderIdentity != l.identity && ended(l, *r) {
			r.HolderIdentity = ""
		}
		return r, raw, err
	}}
}

// earlyTTL is a backend with a clock of its own, which is fast.
func earlyTTL() mutant {
	return forgets(func(_ *MemoryLock, r resourcelock.LeaderElectionRecord) bool {
		return time.Since(r.RenewTime.Time) > leaseDuration/2
	})
}

// TestElectionsFindMutants: each rule of elections is there because of locks that break
// it.
func TestElectionsFindMutants(t *testing.T) {
	for name, m := range map[string]struct {
		mutant
		rule string
	}{
		"the bytes hold whole seconds":  {mutants()["the bytes hold whole seconds"](), "nobody leads early after a leader that is silent"},
		"the bytes are always the same": {bytesOf(func(resourcelock.LeaderElectionRecord) []byte { return nil }), "nobody leads early after a leader that is silent"},
		"a TTL that is short":           {earlyTTL(), "nobody leads early after a leader that is silent"},
		"stored times are believed": {forgets(func(_ *MemoryLock, r resourcelock.LeaderElectionRecord) bool {
			return time.Since(r.RenewTime.Time) > leaseDuration
		}), "the leader's wall clock does not count"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range electionRules[:2] { // the last is of real processes
				said := failures(t, func(t testing.TB) { r.check(t, func(testing.TB) Backend { return on(m.mutant) }) })
				if len(said) == 0 && r.name == m.rule {
					t.Errorf("the rule %q passes", r.name)
				}
				for _, text := range said[:min(1, len(said))] {
					t.Logf("%q is broken %d times: %s", r.name, len(said), text)
				}
			}
		})
	}
}

// TestHistoriesFindMutants: a checker that passes all histories would find nothing.
func TestHistoriesFindMutants(t *testing.T) {
	for name, m := range map[string]mutant{
		"a lock that is taken early":  earlyTTL(),
		"renewals by the second":      stores(rounds(time.Second)),
		"tokens that fall":            {token: transitions},
		"one token for all":           {token: func(*MemoryLock) uint64 { return 7 }},
		"a record that anybody makes": mutants()["Create overwrites"](),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) { // goroutines are not of the seed
				said := failures(t, func(t testing.TB) { history(t, on(m), seed) })
				if len(said) > 0 {
					t.Logf("history %d: %s", seed, said[0])
					return
				}
			}
			t.Error("all histories pass")
		})
	}
}

// TestProcessesFindMutants: processes that act on what they knew before they were
// stopped, or whose tokens are higher than that of the next.
func TestProcessesFindMutants(t *testing.T) {
	for name, test := range map[string]struct {
		script string
		passes bool
	}{
		"with a fence": {"echo leads 0; read question; echo no", true},
		"without one":  {"echo leads 0; read question; echo yes", false},
		"a high token": {"echo leads 9; read question; echo no", false},
		"dies of it":   {"echo leads 0; read question", false},
		"says nothing": {"echo hello", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				processesEnd(r, func(testing.TB) Backend {
					b := memoryBackend(&Memory{})
					b.Process = func(testing.TB, string) *exec.Cmd { return exec.Command("sh", "-c", test.script) }
					return b
				})
			}()
			<-ended
			if passes := len(r.said) == 0; passes != test.passes {
				t.Errorf("passes: %t, want %t: %q", passes, test.passes, r.said)
			}
		})
	}
}
