package locktest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/locks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	Run(t, func(testing.TB) Backend { return memoryBackend(&Memory{}) })
}

func memoryBackend(m *Memory) Backend {
	return Backend{
		Open:   func(_ testing.TB, identity string) resourcelock.Interface { return m.Lock(identity) },
		Delete: func(testing.TB) { m.Delete() },
	}
}

const secret = "hunter2"

// line is between a lock and its record, and can be cut.
type line struct {
	resourcelock.Interface
	cut   *atomic.Bool
	fault func(ctx context.Context) error // of a call while it is cut
}

func (l line) call(ctx context.Context, do func() error) error {
	if l.cut.Load() {
		return l.fault(ctx)
	}
	return do()
}

func (l line) Get(ctx context.Context) (r *resourcelock.LeaderElectionRecord, raw []byte, err error) {
	err = l.call(ctx, func() (err error) {
		r, raw, err = l.Interface.Get(ctx)
		return err
	})
	return r, raw, err
}

func (l line) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.call(ctx, func() error { return l.Interface.Create(ctx, r) })
}

func (l line) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.call(ctx, func() error { return l.Interface.Update(ctx, r) })
}

func (l line) Token() uint64 { return l.Interface.(locks.Fenced).Token() }

// breakable is a record in memory behind lines that fail in this way.
func breakable(fault func(context.Context) error) Breakable {
	m, cut := &Memory{}, &atomic.Bool{}
	return Breakable{
		Backend: Backend{Open: func(_ testing.TB, identity string) resourcelock.Interface {
			return line{m.Lock(identity), cut, fault}
		}},
		Break:   func(testing.TB) { cut.Store(true) },
		Repair:  func(testing.TB) { cut.Store(false) },
		Secrets: []string{secret},
	}
}

func TestBrokenMemory(t *testing.T) {
	for name, fault := range map[string]func(context.Context) error{
		"refuses": func(context.Context) error { return errors.New("connection refused") },
		"hangs": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			RunBroken(t, func(testing.TB) Breakable { return breakable(fault) })
		})
	}
}

// TestElections runs what takes real time elsewhere where time costs nothing.
func TestElections(t *testing.T) {
	for _, r := range electionRules[:2] { // the last is of real processes
		t.Run(r.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r.check(t, func(testing.TB) Backend { return memoryBackend(&Memory{}) })
			})
		})
	}
}

func TestHistories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		RunHistories(t, func(testing.TB) Backend { return memoryBackend(&Memory{}) }, 50)
	})
}
