package batch

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// gated is an answer that holds every write until it is released.
type gated struct{ release chan error }

func (g gated) answer(ctx context.Context, _ []string) error {
	select {
	case err := <-g.release:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestWhatArrivesDuringAWriteIsTheNextBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gated{make(chan error)}
		sink := &fakeSink{answer: g.answer}
		b, _ := start(t, sink, Options{})
		var delivered atomic.Int32
		deliver := func(c ...*pipeline.Change) {
			go func() {
				if err := b.Deliver(t.Context(), taken(t), c...); err != nil {
					t.Error(err)
				}
				delivered.Add(1)
			}()
			synctest.Wait()
		}
		deliver(change("a", 1))
		deliver(change("b", 1))
		deliver(change("c", 1), change("c", 2))
		if diff := cmp.Diff([][]string{{"a1"}}, sink.written()); diff != "" {
			t.Fatalf("before the first write ended (-want +got):\n%s", diff)
		}
		if s := b.Status(); s.Waiting != 3 || !s.Healthy {
			t.Errorf("status %+v, want healthy and 3 waiting", s)
		}
		g.release <- nil
		synctest.Wait()
		if diff := cmp.Diff([][]string{{"a1"}, {"b1", "c1", "c2"}}, sink.written()); diff != "" {
			t.Fatalf("after the first write ended (-want +got):\n%s", diff)
		}
		if n := delivered.Load(); n != 1 {
			t.Fatalf("%d deliveries returned, want that of the first write only", n)
		}
		g.release <- nil
		synctest.Wait()
		if n := delivered.Load(); n != 3 {
			t.Fatalf("%d deliveries returned, want 3", n)
		}
	})
}

func TestBatchesAreBounded(t *testing.T) {
	big := func(name string) *pipeline.Change {
		c := change(name, 1)
		c.Object = make([]byte, 4000)
		return c
	}
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		b, _ := start(t, sink, Options{MaxBatch: 3, MaxBytes: 5000})
		if err := b.Deliver(t.Context(), taken(t), change("a", 1), change("b", 1), change("c", 1), change("d", 1)); err != nil {
			t.Fatal(err)
		}
		if err := b.Deliver(t.Context(), taken(t), big("e"), big("f"), change("g", 1)); err != nil {
			t.Fatal(err)
		}
		huge := change("h", 1)
		huge.Object = make([]byte, 10000)
		if err := b.Deliver(t.Context(), taken(t), huge, change("i", 1)); err != nil {
			t.Fatal(err)
		}
		want := [][]string{{"a1", "b1", "c1"}, {"d1"}, {"e1"}, {"f1"}, {"g1"}, {"h1"}, {"i1"}}
		// f and g together are just over the bound: 4512 + 512.
		if diff := cmp.Diff(want, sink.written()); diff != "" {
			t.Fatalf("writes (-want +got):\n%s", diff)
		}
	})
}

func TestDestinationThatIsDownHoldsItsWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("connection refused")
		var up atomic.Bool
		sink := &fakeSink{answer: func(context.Context, []string) error {
			if up.Load() {
				return nil
			}
			return down
		}}
		b, _ := start(t, sink, Options{ReconnectMin: time.Second, ReconnectMax: 16 * time.Second})
		done := make(chan error, 2)
		go func() { done <- b.Deliver(t.Context(), taken(t), change("a", 1)) }()
		synctest.Wait()
		go func() { done <- b.Deliver(t.Context(), taken(t), change("b", 1)) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		// Full jitter up to 16 s is 8 s on average: 450 tries, give or take.
		if n := len(sink.written()); n < 300 || n > 700 {
			t.Errorf("%d tries in an hour", n)
		}
		if s := b.Status(); s.Healthy || s.LastError != down.Error() || s.Waiting != 2 || s.Attempts != len(sink.written()) ||
			s.NextRetry.Before(time.Now()) || s.NextRetry.After(time.Now().Add(16*time.Second)) {
			t.Errorf("status %+v", s)
		}
		select {
		case err := <-done:
			t.Fatalf("Deliver returned %v while the destination was down", err)
		default:
		}
		up.Store(true)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		writes := sink.written()
		if diff := cmp.Diff([][]string{{"a1"}, {"b1"}}, writes[len(writes)-2:]); diff != "" {
			t.Errorf("last writes (-want +got):\n%s", diff)
		}
		if s := b.Status(); !s.Healthy || s.LastError != "" || s.Attempts != 0 || !s.NextRetry.IsZero() {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		sink := &fakeSink{answer: func(context.Context, []string) error {
			at = append(at, time.Since(began))
			if len(at) == 1 {
				return fmt.Errorf("post: %w", pipeline.RetryAfter(errors.New("busy"), 90*time.Second))
			}
			return nil
		}}
		b, stop := start(t, sink, Options{ReconnectMax: time.Second})
		if err := b.Deliver(t.Context(), taken(t), change("a", 1)); err != nil {
			t.Fatal(err)
		}
		stop()
		if diff := cmp.Diff([]time.Duration{0, 90 * time.Second}, at); diff != "" {
			t.Errorf("times of the writes (-want +got):\n%s", diff)
		}
	})
}

func TestDeliverEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gated{make(chan error)}
		sink := &fakeSink{answer: g.answer}
		b, _ := start(t, sink, Options{})
		gone := errors.New("reconcile timeout")
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 2)
		go func() { done <- b.Deliver(ctx, taken(t), change("a", 1)) }()
		synctest.Wait()
		go func() { done <- b.Deliver(ctx, taken(t), change("b", 1)) }()
		synctest.Wait()
		cancel(gone)
		for range 2 {
			if err := <-done; !errors.Is(err, gone) {
				t.Errorf("Deliver = %v, want %v", err, gone)
			}
		}
		if n := b.Status().Waiting; n != 0 {
			t.Errorf("%d changes still wait though nobody waits for them", n)
		}
		// What was being written fails, and is not tried again for nobody.
		g.release <- errors.New("down")
		time.Sleep(time.Hour)
		if diff := cmp.Diff([][]string{{"a1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		if err := b.Deliver(ctx, taken(t), change("c", 1)); !errors.Is(err, gone) {
			t.Errorf("Deliver with an ended context = %v", err)
		}
	})
}

func TestShutdownWhileTheDestinationIsDown(t *testing.T) {
	for name, answer := range map[string]func(context.Context, []string) error{
		"refusing": func(context.Context, []string) error { return errors.New("down") },
		"hanging":  gated{}.answer,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, stop := start(t, &fakeSink{answer: answer}, Options{})
				done := make(chan error, 3)
				for i := range 3 {
					go func() { done <- b.Deliver(t.Context(), taken(t), change("a", i)) }()
				}
				time.Sleep(time.Minute)
				healthy := b.Status().Healthy
				stop()
				for range 3 {
					if err := <-done; !errors.Is(err, ErrStopped) {
						t.Errorf("Deliver = %v, want ErrStopped", err)
					}
				}
				if b.Status().Healthy != healthy {
					t.Error("breaking off a write changed the sink's health")
				}
				if err := b.Deliver(t.Context(), taken(t), change("a", 9)); !errors.Is(err, ErrStopped) {
					t.Errorf("Deliver after the end = %v, want ErrStopped", err)
				}
				if err := b.Run(t.Context()); err == nil {
					t.Error("a second Run was accepted")
				}
			})
		})
	}
}

func TestDeliverBeforeRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New("test", &fakeSink{}, Options{})
		done := make(chan error, 1)
		go func() { done <- b.Deliver(t.Context(), taken(t), change("a", 1)) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		if err := <-done; err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := b.Deliver(t.Context(), taken(t)); err != nil {
			t.Errorf("delivering nothing: %v", err)
		}
	})
}
