package batch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestOnlyTheFailedAreWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if !first {
				return nil
			}
			first = false
			// b2 was accepted, but b1 has to come again and must not have the
			// last word.
			return failing(batch, map[string]error{"b1": errors.New("conflict"), "d1": nil})
		}}
		b, _ := start(t, sink, Options{ReconnectMin: time.Second})
		if err := b.Deliver(t.Context(), nil, change("a", 1), change("b", 1), change("c", 1), change("b", 2), change("d", 1)); err != nil {
			t.Fatal(err)
		}
		writes := sink.written()
		if diff := cmp.Diff([]string{"a1", "b1", "c1", "b2", "d1"}, writes[0]); diff != "" {
			t.Errorf("first write (-want +got):\n%s", diff)
		}
		again := slices.Concat(writes[1:]...)
		if i, j := slices.Index(again, "b1"), slices.Index(again, "b2"); i < 0 || j < i {
			t.Errorf("written again: %v, want b1 before b2", again)
		}
		slices.Sort(again)
		if diff := cmp.Diff([]string{"b1", "b2", "d1"}, again); diff != "" {
			t.Errorf("written again (-want +got):\n%s", diff)
		}
	})
}

func TestAFailedChangeDelaysItsKeyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 3
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if slices.Contains(batch, "stuck1") && refusals > 0 {
				refusals--
				return failing(batch, map[string]error{"stuck1": pipeline.RetryAfter(errors.New("locked"), time.Hour)})
			}
			return nil
		}}
		b, _ := start(t, sink, Options{})
		done := make(chan error, 2)
		go func() { done <- b.Deliver(t.Context(), nil, change("stuck", 1)) }()
		synctest.Wait()
		go func() { done <- b.Deliver(t.Context(), nil, change("stuck", 2)) }()
		synctest.Wait()
		began := time.Now()
		for i := range 100 {
			if err := b.Deliver(t.Context(), nil, change("free", i)); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the others waited %v", d)
		}
		if s := b.Status(); s.Healthy || s.LastError != "alpha/configmaps/ns/stuck: locked" || s.Waiting != 2 || s.Attempts != 1 ||
			!s.NextRetry.Equal(began.Add(time.Hour)) {
			t.Errorf("status %+v", s)
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(began); d != 3*time.Hour {
			t.Errorf("accepted after %v, want 3h", d)
		}
		all := slices.Concat(sink.written()...)
		if i, j := slices.Index(all, "stuck2"), lastIndex(all, "stuck1"); i < j {
			t.Error("the newer state was written before the older one was accepted")
		}
		if s := b.Status(); !s.Healthy {
			t.Errorf("status %+v, want healthy", s)
		}
	})
}

func lastIndex(s []string, v string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == v {
			return i
		}
	}
	return -1
}

func TestRefusedChangesAreDeadLettered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tooLarge := errors.New("too large")
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			return failing(batch, map[string]error{"bad1": pipeline.Permanent(tooLarge)})
		}}
		var dead []string
		full := 2
		b, stop := start(t, sink, Options{DeadLetter: func(c *pipeline.Change, reason error, attempts int) error {
			if full > 0 {
				full--
				return errors.New("disk full")
			}
			if !errors.Is(reason, tooLarge) || attempts != 3 {
				t.Errorf("reason %v after %d attempts, want too large after 3", reason, attempts)
			}
			dead = append(dead, label(c))
			return nil
		}})
		if err := b.Deliver(t.Context(), nil, change("good", 1), change("bad", 1), change("bad", 2)); err != nil {
			t.Fatal(err)
		}
		stop()
		if diff := cmp.Diff([]string{"bad1"}, dead); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
		// The dead letter could not be stored twice: bad1 came again, and bad2
		// stayed behind it.
		want := [][]string{{"good1", "bad1", "bad2"}, {"bad1"}, {"bad1"}, {"bad2"}}
		if diff := cmp.Diff(want, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

func TestAPoisonedBatchIsSplit(t *testing.T) {
	for name, withDeadLetter := range map[string]bool{"dead letter": true, "no dead letter": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				poisoned := 5
				sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
					if slices.Contains(batch, "p1") && poisoned > 0 {
						if len(batch) == 1 {
							poisoned--
						}
						return pipeline.Permanent(errors.New("invalid byte sequence"))
					}
					return nil
				}}
				var dead []string
				opts := Options{}
				if withDeadLetter {
					opts.DeadLetter = func(c *pipeline.Change, _ error, _ int) error {
						dead = append(dead, label(c))
						return nil
					}
				}
				b, stop := start(t, sink, opts)
				batch := []*pipeline.Change{change("a", 1), change("b", 1), change("p", 1), change("c", 1), change("p", 2), change("d", 1), change("e", 1), change("f", 1)}
				if err := b.Deliver(t.Context(), nil, batch...); err != nil {
					t.Fatal(err)
				}
				stop()
				all := sink.written()
				want := [][]string{
					{"a1", "b1", "p1", "c1", "p2", "d1", "e1", "f1"},
					{"a1", "b1", "p1", "c1"}, {"a1", "b1"}, {"p1", "c1"}, {"p1"}, {"c1"},
				}
				if withDeadLetter {
					want = append(want, []string{"p2", "d1", "e1", "f1"})
					if diff := cmp.Diff([]string{"p1"}, dead); diff != "" {
						t.Errorf("dead letters (-want +got):\n%s", diff)
					}
				} else {
					want = append(want, []string{"d1", "e1", "f1"})
					if diff := cmp.Diff([][]string{{"p1"}, {"p2"}}, all[len(all)-2:]); diff != "" {
						t.Errorf("last writes (-want +got):\n%s", diff)
					}
				}
				if diff := cmp.Diff(want, all[:min(len(want), len(all))]); diff != "" {
					t.Errorf("writes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestDestinationFailsInTheMiddleOfASplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		sink := &fakeSink{answer: func(context.Context, []string) error {
			switch n++; n {
			case 1:
				return pipeline.Permanent(errors.New("poison"))
			case 3: // the second half
				return errors.New("down")
			}
			return nil
		}}
		b, stop := start(t, sink, Options{})
		if err := b.Deliver(t.Context(), nil, change("a", 1), change("b", 1)); err != nil {
			t.Fatal(err)
		}
		stop()
		if diff := cmp.Diff([][]string{{"a1", "b1"}, {"a1"}, {"b1"}, {"b1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

func TestBatchErrorThatNamesNothingIsTheDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		sink := &fakeSink{answer: func(context.Context, []string) error {
			if n++; n == 1 {
				return &pipeline.BatchError{Failed: map[int]error{-1: errors.New("x"), 2: pipeline.Permanent(errors.New("y"))}}
			}
			return nil
		}}
		b, stop := start(t, sink, Options{DeadLetter: func(*pipeline.Change, error, int) error {
			t.Error("dead-lettered")
			return nil
		}})
		if err := b.Deliver(t.Context(), nil, change("a", 1), change("b", 1)); err != nil {
			t.Fatal(err)
		}
		stop()
		if diff := cmp.Diff([][]string{{"a1", "b1"}, {"a1", "b1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

// Who delivers several changes hears of each as soon as the sink has it.
func TestDeliverTellsOfEachAcceptedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		sink.answer = func(_ context.Context, batch []string) error {
			reasons := map[string]error{}
			switch len(sink.written()) {
			case 1:
				reasons["a1"], reasons["d1"] = errors.New("conflict"), pipeline.Permanent(errors.New("bad"))
				fallthrough
			case 2:
				reasons["c1"] = pipeline.RetryAfter(errors.New("locked"), time.Minute)
			}
			return failing(batch, reasons)
		}
		b, _ := start(t, sink, Options{
			ReconnectMin: time.Second, ReconnectMax: time.Second,
			DeadLetter: func(*pipeline.Change, error, int) error { return nil },
		})
		var (
			mu       sync.Mutex
			accepted []int
		)
		deliver := func(ctx context.Context) chan error {
			accepted = nil
			done := make(chan error, 1)
			go func() {
				done <- b.Deliver(ctx, func(i int) {
					mu.Lock()
					defer mu.Unlock()
					accepted = append(accepted, i)
				}, change("a", 1), change("b", 1), change("c", 1), change("d", 1))
			}()
			synctest.Wait()
			return done
		}
		told := func(when string, want ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, accepted); diff != "" {
				t.Errorf("accepted %s (-want +got):\n%s", when, diff)
			}
		}
		done := deliver(t.Context())
		told("at once", 1, 3)
		time.Sleep(2 * time.Second)
		told("with the second write", 1, 3, 0)
		if err := <-done; err != nil {
			t.Error(err)
		}
		told("in the end", 1, 3, 0, 2)

		// All at once, by a request that is used again.
		if err := <-deliver(t.Context()); err != nil {
			t.Error(err)
		}
		told("together", 0, 1, 2, 3)

		// What has been accepted before the caller gives up.
		sink.answer = func(_ context.Context, batch []string) error {
			return failing(batch, map[string]error{"c1": pipeline.RetryAfter(errors.New("locked"), time.Hour)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done = deliver(ctx)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		told("before the end", 0, 1, 3)
	})
}
