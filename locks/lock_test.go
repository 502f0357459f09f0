package locks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

// slot is a register in memory.
type slot struct {
	mu      sync.Mutex
	value   []byte
	version uint64 // of the value; 0: there is none
	last    uint64 // of any value that there was
	hang    bool   // take writes, and do not answer
}

func (s *slot) Read(ctx context.Context) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.value), s.version, ctx.Err()
}

func (s *slot) Swap(ctx context.Context, value []byte, version uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != s.version {
		return 0, locks.ErrChanged
	}
	if bytes.Equal(s.value, value) {
		return 0, errors.New("the same value once more")
	}
	s.last++
	s.value, s.version = bytes.Clone(value), s.last
	if s.hang {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.version, nil
}

func (s *slot) delete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value, s.version = nil, 0
}

func (*slot) Describe() string { return "the slot" }

func lockOn(t testing.TB, s *slot, identity string) *locks.Lock {
	t.Helper()
	l, err := locks.New(s, locks.Options{Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRegisterLock(t *testing.T) {
	locktest.Run(t, func(testing.TB) locktest.Backend {
		s := &slot{}
		return locktest.Backend{
			Open:   func(t testing.TB, identity string) resourcelock.Interface { return lockOn(t, s, identity) },
			Delete: func(testing.TB) { s.delete() },
		}
	})
}

// TestRegisterLockHistories runs elections over registers, where time costs nothing.
func TestRegisterLockHistories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locktest.RunHistories(t, func(testing.TB) locktest.Backend {
			s := &slot{}
			return locktest.Backend{
				Open:   func(t testing.TB, identity string) resourcelock.Interface { return lockOn(t, s, identity) },
				Delete: func(testing.TB) { s.delete() },
			}
		}, 20)
	})
}

// TestBrokenRegister: what the suite asks of a lock whose backend fails.
func TestBrokenRegister(t *testing.T) {
	locktest.RunBroken(t, func(testing.TB) locktest.Breakable {
		s, broken := &slot{}, &atomic.Bool{}
		return locktest.Breakable{
			Backend: locktest.Backend{Open: func(t testing.TB, identity string) resourcelock.Interface {
				l, err := locks.New(refusing{s, broken}, locks.Options{Identity: identity})
				if err != nil {
					t.Fatal(err)
				}
				return l
			}},
			Break:  func(testing.TB) { broken.Store(true) },
			Repair: func(testing.TB) { broken.Store(false) },
		}
	})
}

// refusing is a register that refuses everything while it is broken.
type refusing struct {
	*slot
	broken *atomic.Bool
}

func (r refusing) Read(ctx context.Context) ([]byte, uint64, error) {
	if r.broken.Load() {
		return nil, 0, errors.New("refused")
	}
	return r.slot.Read(ctx)
}

func (r refusing) Swap(ctx context.Context, value []byte, version uint64) (uint64, error) {
	if r.broken.Load() {
		return 0, errors.New("refused")
	}
	return r.slot.Swap(ctx, value, version)
}

// TestErrorsOfARegisterAreNoOutcomes: a register in a Kubernetes API may return what
// that has said of something else.
func TestErrorsOfARegisterAreNoOutcomes(t *testing.T) {
	for _, answer := range []error{
		apierrors.NewNotFound(leases, "x"), apierrors.NewAlreadyExists(leases, "x"), apierrors.NewConflict(leases, "x", nil),
	} {
		l, err := locks.New(failing{&slot{}, fmt.Errorf("asked for it: %w", answer)}, locks.Options{Identity: "a"})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = l.Get(t.Context())
		for what, err := range map[string]error{"Get": err, "Create": l.Create(t.Context(), by("a"))} {
			if err == nil || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || !strings.Contains(err.Error(), answer.Error()) {
				t.Errorf("%s: %v is told as an outcome", what, err)
			}
		}
	}
}

var leases = schema.GroupResource{Resource: "leases"}

// failing is a register that fails.
type failing struct {
	*slot
	err error
}

func (f failing) Read(context.Context) ([]byte, uint64, error) { return nil, 0, f.err }

func (f failing) Swap(context.Context, []byte, uint64) (uint64, error) { return 0, f.err }

func by(holder string) resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{HolderIdentity: holder, LeaseDurationSeconds: 15, RenewTime: metav1.Now()}
}

// TestTokensGrow: over holders, and over a record that was deleted. A renewal
// changes none.
func TestTokensGrow(t *testing.T) {
	s := &slot{}
	last := uint64(0)
	took := func(l *locks.Lock, err error) {
		t.Helper()
		if err != nil || l.Token() <= last {
			t.Fatalf("%s took the record with token %d after %d: %v", l.Identity(), l.Token(), last, err)
		}
		last = l.Token()
		for range 3 {
			if err := l.Update(t.Context(), by(l.Identity())); err != nil || l.Token() != last {
				t.Fatalf("a renewal has token %d, the term has %d: %v", l.Token(), last, err)
			}
		}
	}
	a, b := lockOn(t, s, "a"), lockOn(t, s, "b")
	if a.Token() != 0 {
		t.Error("a token before any term")
	}
	look := func(l *locks.Lock) { _, _, _ = l.Get(t.Context()) }
	took(a, a.Create(t.Context(), by("a")))
	look(b)
	if b.Token() != 0 {
		t.Error("a token by looking on")
	}
	took(b, b.Update(t.Context(), by("b")))
	look(a)
	took(a, a.Update(t.Context(), by("a")))
	s.delete()
	look(b)
	took(b, b.Create(t.Context(), by("b")))
	s.delete()
	look(b)
	took(b, b.Create(t.Context(), by("b")))
	if err := b.Update(t.Context(), by("")); err != nil { // released
		t.Fatal(err)
	}
	took(b, b.Update(t.Context(), by("b")))
}

// TestNoAnswerToTheWriteThatTakes: the term has a token although only Get tells that
// it has begun.
func TestNoAnswerToTheWriteThatTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slot{last: 41, hang: true}
		l := lockOn(t, s, "a")
		if err := l.Create(t.Context(), by("a")); err == nil || !strings.Contains(err.Error(), "no answer within 5s") || !strings.Contains(err.Error(), "the slot") {
			t.Fatalf("Create: %v", err)
		}
		s.hang = false
		if err := l.Update(t.Context(), by("a")); err == nil || apierrors.IsConflict(err) {
			t.Errorf("Update after an unknown outcome: %v, want an error that is none", err)
		}
		r, _, err := l.Get(t.Context())
		if err != nil || r.HolderIdentity != "a" || l.Token() != 42 {
			t.Errorf("%+v with token %d: %v", r, l.Token(), err)
		}
		if err := l.Update(t.Context(), by("a")); err != nil || l.Token() != 42 {
			t.Errorf("Update: %v, token %d", err, l.Token())
		}
	})
}

func TestAValueThatIsNoRecord(t *testing.T) {
	for _, value := range []string{"", "null x", "null", "[]", "{}", `{"holderIdentity":"b","leaseDurationSeconds":15}`, `{"holder":7}`, `{"renewed":"soon"}`, `"` + strings.Repeat("x", locks.MaxValue) + `"`} {
		s := &slot{value: []byte(value), version: 3, last: 3}
		l := lockOn(t, s, "a")
		_, _, err := l.Get(t.Context())
		if err == nil || apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "the slot holds no record") || len(err.Error()) > 300 {
			t.Errorf("%.20q: %v", value, err)
		}
		if err := l.Update(t.Context(), by("a")); !apierrors.IsConflict(err) {
			t.Errorf("%.20q is written over: %v", value, err)
		}
		if err := l.Create(t.Context(), by("a")); !apierrors.IsAlreadyExists(err) {
			t.Errorf("%.20q is written over: %v", value, err)
		}
	}
}

func TestNewWithoutIdentity(t *testing.T) {
	if _, err := locks.New(&slot{}, locks.Options{Timeout: time.Second}); err == nil || !strings.Contains(err.Error(), "the slot") {
		t.Error(err)
	}
}
