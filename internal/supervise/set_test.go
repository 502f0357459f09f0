package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running starts set.Run in the bubble and returns a function that stops and
// joins it.
func running(t *testing.T, s *Set) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestFailedChildIsRestartedAndSiblingsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures []string
		s := NewSet(logr.Discard(), Options{OnFailure: func(name string, err error) {
			failures = append(failures, fmt.Sprintf("%s panic=%v eof=%v", name, isPanic(err), errors.Is(err, io.EOF)))
		}})
		var runs, siblings atomic.Int32
		s.Start("bad", func(ctx context.Context) error {
			switch runs.Add(1) {
			case 1:
				return io.EOF
			case 2:
				panic("boom")
			case 3:
				panic(io.EOF)
			}
			return untilDone(ctx)
		})
		s.Start("good", func(ctx context.Context) error { siblings.Add(1); return untilDone(ctx) })
		if runs.Load() != 0 {
			t.Error("a child ran before Run")
		}
		stop := running(t, s)
		time.Sleep(time.Hour)
		stop()
		if runs.Load() != 4 || siblings.Load() != 1 {
			t.Errorf("runs = %d and %d, want 4 and 1", runs.Load(), siblings.Load())
		}
		want := "[bad panic=false eof=true bad panic=true eof=false bad panic=true eof=true]"
		if got := fmt.Sprint(failures); got != want {
			t.Errorf("failures\n got %s\nwant %s", got, want)
		}
	})
}

func TestBackoffIsBoundedAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(logr.Discard(), Options{BackoffMin: time.Second, BackoffMax: time.Minute})
		var ended time.Time
		var longest, first time.Duration
		n := 0
		s.Start("x", func(ctx context.Context) error {
			if !ended.IsZero() {
				longest = max(longest, time.Since(ended))
				if n == 50 {
					first = time.Since(ended)
				}
			}
			n++
			if n == 50 { // a good run: the delay after it starts small again
				time.Sleep(2 * time.Minute)
			}
			ended = time.Now()
			if n > 50 {
				return untilDone(ctx)
			}
			return io.EOF
		})
		stop := running(t, s)
		time.Sleep(24 * time.Hour)
		stop()
		if n != 51 || longest > time.Minute || longest < 20*time.Second || first > time.Second {
			t.Errorf("runs %d, longest delay %v, delay after a good run %v", n, longest, first)
		}
	})
}

func TestNilEndsAChildAndFreesItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(logr.Discard(), Options{})
		stop := running(t, s)
		defer stop()
		for want := range 3 {
			n := 0
			s.Start("x", func(context.Context) error { n++; return nil })
			synctest.Wait()
			if n != 1 {
				t.Errorf("round %d: %d runs, want 1", want, n)
			}
		}
		synctest.Wait()
		if len(s.children) != 0 {
			t.Errorf("%d children are left", len(s.children))
		}
	})
}

func TestStopJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(logr.Discard(), Options{})
		s.Start("unborn", untilDone)
		if err := s.Stop(t.Context(), "unborn"); err != nil {
			t.Errorf("Stop before Run: %v", err)
		}
		stop := running(t, s)
		var returned atomic.Bool
		s.Start("slow", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Minute)
			returned.Store(true)
			return ctx.Err()
		})
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Stop(short, "slow"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop with a short deadline: %v", err)
		}
		if err := s.Stop(t.Context(), "slow"); err != nil || !returned.Load() {
			t.Errorf("Stop: %v, returned %v", err, returned.Load())
		}
		if err := s.Stop(t.Context(), "slow"); err != nil {
			t.Errorf("Stop of an absent name: %v", err)
		}
		// One that is backing off is stopped at once.
		s.Start("bad", func(context.Context) error { return io.EOF })
		synctest.Wait()
		if err := s.Stop(t.Context(), "bad"); err != nil {
			t.Error(err)
		}
		stop()
		s.Start("late", func(context.Context) error { t.Error("ran after the end"); return nil })
		if err := s.Run(t.Context()); !errors.Is(err, ErrRunTwice) {
			t.Errorf("second Run: %v", err)
		}
	})
}

func TestReplacementWaitsForItsPredecessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(logr.Discard(), Options{})
		stop := running(t, s)
		var live, most, last atomic.Int32
		for i := range 20 {
			s.Start("x", func(ctx context.Context) error {
				most.Store(max(most.Load(), live.Add(1)))
				last.Store(int32(i))
				<-ctx.Done()
				time.Sleep(time.Second)
				live.Add(-1)
				return ctx.Err()
			})
			if i%3 == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if last.Load() != 19 || live.Load() != 1 {
			t.Errorf("last started %d, live %d; want 19, 1", last.Load(), live.Load())
		}
		stop()
		if most.Load() != 1 || live.Load() != 0 {
			t.Errorf("at most %d ran at once, %d left; want 1, 0", most.Load(), live.Load())
		}
	})
}

// TestConcurrentUse is for the race detector, and for the two invariants: one
// run per name at a time, none after Run.
func TestConcurrentUse(t *testing.T) {
	s := NewSet(logr.Discard(), Options{BackoffMin: time.Microsecond, BackoffMax: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var live [4]atomic.Int32
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				n := (g + i) % len(live)
				name := fmt.Sprint(n)
				if i%3 == 0 {
					if err := s.Stop(t.Context(), name); err != nil {
						t.Error(err)
					}
					continue
				}
				s.Start(name, func(ctx context.Context) error {
					if live[n].Add(1) != 1 {
						t.Errorf("%s runs twice at once", name)
					}
					defer live[n].Add(-1)
					switch i % 4 {
					case 0:
						panic(i)
					case 1:
						return io.EOF
					case 2:
						return nil
					}
					return untilDone(ctx)
				})
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for n := range live {
		if live[n].Load() != 0 {
			t.Errorf("%d still runs", n)
		}
	}
	if err := s.Stop(t.Context(), "0"); err != nil {
		t.Error(err)
	}
}
