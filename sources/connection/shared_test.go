package connection

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"golang.org/x/sync/semaphore"
)

// slowReads is a shared whose reads take a second each, one after another.
type slowReads struct {
	shared[int64]
	turns *semaphore.Weighted
	reads atomic.Int64
}

func newSlowReads() *slowReads { return &slowReads{turns: semaphore.NewWeighted(1)} }

func (s *slowReads) get(ctx context.Context) (int64, error) {
	return s.do(ctx, "", func(ctx context.Context) (func(), error) {
		return func() { s.turns.Release(1) }, s.turns.Acquire(ctx, 1)
	}, func(ctx context.Context) (int64, error) {
		n := s.reads.Add(1)
		select {
		case <-time.After(time.Second):
			return n, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
}

// Whoever asks before a read begins shares it, and nobody gets what was read before.
func TestReadsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlowReads()
		got := make([]int64, 300)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				if i > 0 {
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
				got[i], _ = s.get(t.Context())
			})
		}
		wg.Wait()
		for i, n := range got {
			if want := int64(min(i, 1) + 1); n != want {
				t.Fatalf("caller %d got read %d, want %d", i, n, want)
			}
		}
		if n, err := s.get(t.Context()); n != 3 || err != nil {
			t.Errorf("a later caller got read %d, %v", n, err)
		}
	})
}

// One that goes takes nobody with it.
func TestSharedReadWithoutItsFirstCaller(t *testing.T) {
	for name, gone := range map[string]time.Duration{"while it waits": 500 * time.Millisecond, "while it reads": 1500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlowReads()
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = s.get(t.Context()) })
				synctest.Wait()
				enough := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(t.Context(), gone, enough)
				defer cancel()
				wg.Go(func() {
					if _, err := s.get(ctx); !errors.Is(err, enough) {
						t.Errorf("the first one got %v", err)
					}
				})
				synctest.Wait()
				for range 3 {
					wg.Go(func() {
						if n, err := s.get(t.Context()); err != nil || n < 2 {
							t.Errorf("another one got %d, %v", n, err)
						}
					})
				}
				wg.Wait()
				if n := s.reads.Load(); n > 4 { // one more, if somebody begins while others come
					t.Errorf("%d reads", n)
				}
			})
		})
	}
}
