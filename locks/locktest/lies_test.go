package locktest

import (
	"context"
	"errors"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// TestTheSuiteFindsCallsThatLie does the same for locks whose backend fails.
func TestTheSuiteFindsCallsThatLie(t *testing.T) {
	needed := map[string]bool{}
	for name, fault := range map[string]func(context.Context) error{
		"success":       func(context.Context) error { return nil },
		"NotFound":      func(context.Context) error { return apierrors.NewNotFound(resource, "record") },
		"AlreadyExists": func(context.Context) error { return apierrors.NewAlreadyExists(resource, "record") },
		"Conflict":      func(context.Context) error { return apierrors.NewConflict(resource, "record", nil) },
		"a secret":      func(context.Context) error { return errors.New("login as user:" + secret + " failed") },
		"no end": func(ctx context.Context) error {
			_ = retry.Sleep(context.WithoutCancel(ctx), time.Hour)
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var failed []string
			for _, r := range brokenRules {
				if said := failures(t, func(t testing.TB) { r.check(t, breakable(fault)) }); len(said) > 0 {
					failed, needed[r.name] = append(failed, r.name), true
				}
			}
			if len(failed) < 2 {
				t.Errorf("found by %q only", failed)
			}
			t.Logf("found by %q", failed)
		})
	}
	for _, r := range brokenRules {
		if !needed[r.name] {
			t.Errorf("no lie breaks the rule %q", r.name)
		}
	}
	t.Run("for ever", func(t *testing.T) {
		said := failures(t, func(t testing.TB) {
			m, once := &Memory{}, false
			b := breakable(nil)
			b.Open = func(_ testing.TB, identity string) resourcelock.Interface {
				return mutant{MemoryLock: m.Lock(identity), update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
					if !once {
						once = true
						return errors.New("refused")
					}
					return apierrors.NewTooManyRequests("for ever", 1)
				}}
			}
			goesOn(t, b)
		})
		if len(said) == 0 {
			t.Error("a lock passes that does not go on")
		}
	})
}
