package locktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// recorder is a testing.TB whose failures are noted.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// failures runs check, where time costs nothing, and returns what it has said.
func failures(t *testing.T, check func(testing.TB)) (said []string) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			check(r)
		}()
		<-ended
		time.Sleep(24 * time.Hour) // calls that go on after they were given up
		r.mu.Lock()
		defer r.mu.Unlock()
		said = r.said
	})
	return said
}

// mutant is a lock in which one rule is switched off.
type mutant struct {
	*MemoryLock
	get    func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error)
	create func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error
	update func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error
}

func (m mutant) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	if m.get != nil {
		return m.get(m.MemoryLock, ctx)
	}
	return m.MemoryLock.Get(ctx)
}

func (m mutant) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if m.create != nil {
		return m.create(m.MemoryLock, ctx, r)
	}
	return m.MemoryLock.Create(ctx, r)
}

func (m mutant) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if m.update != nil {
		return m.update(m.MemoryLock, ctx, r)
	}
	return m.MemoryLock.Update(ctx, r)
}

// stores has a lock store another record than it is given.
func stores(change func(*resourcelock.LeaderElectionRecord)) mutant {
	return mutant{
		create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			change(&r)
			return l.Create(ctx, r)
		},
		update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			change(&r)
			return l.Update(ctx, r)
		},
	}
}

// says has a lock return other errors.
func says(change func(error) error) mutant {
	return mutant{
		get: func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
			r, raw, err := l.Get(ctx)
			return r, raw, change(err)
		},
		create: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			return change(l.Create(ctx, r))
		},
		update: func(l *MemoryLock, ctx context.Context, r resourcelock.LeaderElectionRecord) error {
			return change(l.Update(ctx, r))
		},
	}
}

// bytesOf has Get return other bytes.
func bytesOf(encode func(resourcelock.LeaderElectionRecord) []byte) mutant {
	return mutant{get: func(l *MemoryLock, ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
		r, raw, err := l.Get(ctx)
		if err == nil {
			raw = encode(*r)
		}
		return r, raw, err
	}}
}

// rounds returns what rounds the times of a record.
func rounds(to time.Duration) func(*resourcelock.LeaderElectionRecord) {
	return func(r *resourcelock.LeaderElectionRecord) {
		r.AcquireTime = metav1.NewTime(r.AcquireTime.Truncate(to))
		r.RenewTime = metav1.NewTime(r.RenewTime.Truncate(to))
	}
}

// plain is an error that is none of apierrors.
func plain(is func(error) bool) func(error) error {
	return func(err error) error {
		if is(err) {
			return errors.New(err.Error())
		}
		return err
	}
}

// peek is what a lock does that reads the record without having seen it.
func peek(l *MemoryLock) { l.seen = l.memory.now() }

func (m *Memory) now() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.version
}

// expired deletes a record whose duration is over, as a backend with a TTL does.
func expired(l *MemoryLock, written time.Time) {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	d := time.Duration(l.memory.record.LeaseDurationSeconds) * time.Second
	if l.memory.exists && time.Since(written) > d {
		l.memory.exists = false
	}
}

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
					m, wrong := &Memory{}, make()
					b := memoryBackend(m)
					b.Open = func(_ testing.TB, identity string) resourcelock.Interface {
						w := wrong
						w.MemoryLock = m.Lock(identity)
						return w
					}
					r.check(t, b)
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

// TestTheSuiteFindsCallsThatLie does the same for locks whose backend fails.
func TestTheSuiteFindsCallsThatLie(t *testing.T) {
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
			for _, r := range brokenRules {
				if said := failures(t, func(t testing.TB) { r.check(t, breakable(fault)) }); len(said) == 0 {
					t.Errorf("the rule %q passes", r.name)
				}
			}
		})
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
