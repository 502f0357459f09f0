package locktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
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
	token  func(l *MemoryLock) uint64
}

func (m mutant) Token() uint64 {
	if m.token != nil {
		return m.token(m.MemoryLock)
	}
	return m.MemoryLock.Token()
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

// transitions are what client-go counts.
func transitions(l *MemoryLock) uint64 {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	return uint64(l.memory.record.LeaderTransitions) + 1
}

// on returns records whose locks are broken in this way.
func on(wrong mutant) Backend {
	m := &Memory{}
	b := memoryBackend(m)
	b.Open = func(_ testing.TB, identity string) resourcelock.Interface {
		w := wrong
		w.MemoryLock = m.Lock(identity)
		return w
	}
	return b
}
