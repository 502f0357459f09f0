package locktest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// mutants returns the broken locks by what is wrong with them. Those of one record
// share what is written in it.
func mutants() map[string]func() mutant {
	fixed := func(m mutant) func() mutant { return func() mutant { return m } }
	return map[string]func() mutant{
		"no compare-and-swap": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			peek(l)
			return l.Update(ctx, r)
		}}),
		"Update of nothing seen": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			if l.seen == 0 {
				peek(l)
			}
			return l.Update(ctx, r)
		}}),
		"a refused Update counts as seen": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			err := l.Update(ctx, r)
			if apierrors.IsConflict(err) {
				peek(l)
			}
			return err
		}}),
		"a refused Create counts as seen": fixed(mutant{create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			err := l.Create(ctx, r)
			if apierrors.IsAlreadyExists(err) {
				peek(l)
			}
			return err
		}}),
		"Update needs a Get": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			err := l.Update(ctx, r)
			l.seen = 0
			return err
		}}),
		"Create overwrites": fixed(mutant{create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			l.memory.Delete()
			return l.Create(ctx, r)
		}}),
		"Create looks, then writes": fixed(mutant{create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			if _, _, err := l.Get(ctx); err == nil {
				return apierrors.NewAlreadyExists(resource, "record")
			}
			_ = retry.Sleep(ctx, time.Millisecond)
			l.memory.Delete()
			return l.Create(ctx, r)
		}}),
		"Update looks, then writes": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			if l.seen != l.memory.now() {
				return l.Update(ctx, r)
			}
			_ = retry.Sleep(ctx, time.Millisecond)
			peek(l)
			return l.Update(ctx, r)
		}}),
		"Update makes the record": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			if _, _, err := l.Get(ctx); apierrors.IsNotFound(err) {
				return l.Create(ctx, r)
			}
			return l.Update(ctx, r)
		}}),
		"Update brings a deleted record back": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			if l.seen == l.memory.now() && l.seen != 0 {
				l.memory.mu.Lock()
				l.memory.exists = true
				l.memory.mu.Unlock()
			}
			return l.Update(ctx, r)
		}}),
		"versions begin anew with the record": fixed(mutant{create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			if _, _, err := l.Get(ctx); apierrors.IsNotFound(err) {
				l.memory.mu.Lock()
				l.memory.version = 0
				l.memory.mu.Unlock()
			}
			return l.Create(ctx, r)
		}}),
		"a TTL": func() mutant {
			var written atomic.Int64
			return mutant{
				get: func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
					expired(l, time.Unix(0, written.Load()))
					return l.Get(ctx)
				},
				create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
					written.Store(time.Now().UnixNano())
					return l.Create(ctx, r)
				},
			}
		},
		"a session that ends": func() mutant {
			var written atomic.Int64
			return mutant{
				create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
					err := l.Create(ctx, r)
					if err == nil {
						written.Store(time.Now().UnixNano())
					}
					return err
				},
				update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
					if time.Since(time.Unix(0, written.Load())) > 2*time.Second {
						l.seen = 0
					}
					return l.Update(ctx, r)
				},
			}
		},
		"times of whole seconds":      fixed(stores(rounds(time.Second))),
		"times of whole milliseconds": fixed(stores(rounds(time.Millisecond))),
		"RenewTime is not kept":       fixed(stores(func(r *resourcelock.LeaderElectionRecord) { r.RenewTime = r.AcquireTime })),
		"transitions are not kept":    fixed(stores(func(r *resourcelock.LeaderElectionRecord) { r.LeaderTransitions = 0 })),
		"transitions of 16 bits":      fixed(stores(func(r *resourcelock.LeaderElectionRecord) { r.LeaderTransitions = min(r.LeaderTransitions, 1<<15) })),
		"the duration is bounded":     fixed(stores(func(r *resourcelock.LeaderElectionRecord) { r.LeaseDurationSeconds = min(r.LeaseDurationSeconds, 3600) })),
		"identities are trimmed":      fixed(stores(func(r *resourcelock.LeaderElectionRecord) { r.HolderIdentity = strings.TrimSpace(r.HolderIdentity) })),
		"identities are cut": fixed(stores(func(r *resourcelock.LeaderElectionRecord) {
			r.HolderIdentity = r.HolderIdentity[:min(len(r.HolderIdentity), 253)]
		})),
		"nobody is somebody": fixed(stores(func(r *resourcelock.LeaderElectionRecord) {
			if r.HolderIdentity == "" {
				r.HolderIdentity = "nobody"
			}
		})),
		"the bytes hold whole seconds": fixed(bytesOf(func(r resourcelock.LeaderElectionRecord) []byte {
			raw, _ := json.Marshal(r) // as client-go's LeaseLock does
			return raw
		})),
		"the bytes are always new": func() mutant {
			n := 0
			return bytesOf(func(r resourcelock.LeaderElectionRecord) []byte {
				n++
				return fmt.Append(encode(r), n)
			})
		},
		"NotFound is a plain error":      fixed(says(plain(apierrors.IsNotFound))),
		"AlreadyExists is a plain error": fixed(says(plain(apierrors.IsAlreadyExists))),
		"Conflict is a plain error":      fixed(says(plain(apierrors.IsConflict))),
		"Conflict is NotFound": fixed(says(func(err error) error {
			if apierrors.IsConflict(err) {
				return apierrors.NewNotFound(resource, "record")
			}
			return err
		})),
		"no record and no error": fixed(mutant{get: func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
			r, raw, err := l.Get(ctx)
			if apierrors.IsNotFound(err) {
				return nil, nil, nil
			}
			return r, raw, err
		}}),
		"Get goes on after its context": fixed(mutant{get: func(l *MemoryLock, _ context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
			return l.Get(context.Background())
		}}),
		"Create goes on after its context": fixed(mutant{create: func(l *MemoryLock, _ context.Context, r resourcelock.LeaderElectionRecord) error {
			return l.Create(context.Background(), r)
		}}),
		"Update goes on after its context": fixed(mutant{update: func(l *MemoryLock, _ context.Context, r resourcelock.LeaderElectionRecord) error {
			return l.Update(context.Background(), r)
		}}),
		"the token is LeaderTransitions": fixed(mutant{token: transitions}),
		"the token is the last version":  fixed(mutant{token: func(l *MemoryLock) uint64 { return uint64(l.seen) }}),
		"the token is of who looks on":   fixed(mutant{token: func(l *MemoryLock) uint64 { return uint64(l.memory.now()) }}),
		"no token":                       fixed(mutant{token: func(*MemoryLock) uint64 { return 0 }}),
		"a release ends no term": fixed(mutant{update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			before := l.term.Token()
			err := l.Update(ctx, r)
			if before != 0 {
				l.term.Saw(true, before)
			}
			return err
		}}),
		"a record that is made anew begins no term": fixed(mutant{create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			before := l.term.Token()
			err := l.Create(ctx, r)
			if err == nil && before != 0 {
				l.term.Interrupted()
				l.term.Saw(true, before)
			}
			return err
		}}),
		"Get returns what it keeps": fixed(mutant{get: func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
			_, raw, err := l.Get(ctx)
			return &l.memory.record, raw, err
		}}),
	}
}

// TestTheSuiteFindsMutants: each rule is there because of a lock that breaks it.
func TestTheSuiteFindsMutants(t *testing.T) {
	needed := map[string]bool{}
	for name, make := range mutants() {
		t.Run(name, func(t *testing.T) {
			var failed []string
			for _, r := range rules {
				said := failures(t, func(t testing.TB) {
					r.check(t, on(make()))
				})
				if len(said) > 0 {
					failed, needed[r.name] = append(failed, r.name), true
				}
			}
			if len(failed) == 0 {
				t.Error("the suite passes")
			}
			t.Logf("found by %q", failed)
		})
	}
	for _, r := range rules {
		if !needed[r.name] {
			t.Errorf("no mutant breaks the rule %q", r.name)
		}
	}
}
