package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// What is refused by itself is told to its caller, with what follows of its key.
// Nothing of it is kept, or written again.
func TestWhatIsRefusedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			// b2 was accepted, but b1 has to come again and must not have the
			// last word.
			return failing(batch, map[string]error{"b1": errors.New("conflict"), "d1": nil})
		}}
		b, _ := start(t, sink, Options{})
		got := outcomeOf(t, b, change("a", 1), change("b", 1), change("c", 1), change("b", 2), change("d", 1))
		want := map[string]string{"a1": "", "b1": "conflict", "c1": "", "b2": "conflict", "d1": errNoReason.Error()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour)
		if diff := cmp.Diff([][]string{{"a1", "b1", "c1", "b2", "d1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		if s := b.Status(); !s.Healthy || s.Waiting != 0 {
			t.Errorf("status %+v, want healthy and nothing waiting", s)
		}
	})
}

// Also when it did not fit into the batch, and when the destination failed before
// it came to it.
func TestWhatFollowsARefusedChangeIsRefused(t *testing.T) {
	want := map[string]string{"a1": "", "b1": "conflict", "b2": "conflict", "c1": ""}
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			return failing(batch, map[string]error{"b1": errors.New("conflict")})
		}}
		b, _ := start(t, sink, Options{MaxBatch: 2})
		if diff := cmp.Diff(want, outcomeOf(t, b, change("a", 1), change("b", 1), change("b", 2), change("c", 1))); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{{"a1", "b1"}, {"c1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := 0
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			switch n++; n {
			case 1:
				return pipeline.Permanent(errors.New("poison"))
			case 2:
				return failing(batch, map[string]error{"b1": errors.New("conflict")})
			case 3: // the second half
				return errors.New("down")
			}
			return nil
		}}
		b, _ := start(t, sink, Options{})
		if diff := cmp.Diff(want, outcomeOf(t, b, change("a", 1), change("b", 1), change("c", 1), change("b", 2))); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{{"a1", "b1", "c1", "b2"}, {"a1", "b1"}, {"c1"}, {"c1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

func TestARefusedChangeHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			return failing(batch, map[string]error{"stuck1": pipeline.RetryAfter(errors.New("locked"), time.Hour)})
		}}
		b, _ := start(t, sink, Options{})
		began := time.Now()
		for i := range 100 {
			var after time.Duration
			if err := b.Deliver(t.Context(), func(_ int, refused error) { after, _ = pipeline.RetryDelay(refused) }, change("stuck", 1)); err != nil || after != time.Hour {
				t.Fatalf("told to come again after %v, error %v; want 1h", after, err)
			}
			if err := b.Deliver(t.Context(), taken(t), change("free", i)); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v", d)
		}
	})
}

// Who delivers can tell what was put away from what the sink has.
func TestDeadLettersAreMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if slices.Contains(batch, "bad1") {
				return pipeline.Permanent(errors.New("poison"))
			}
			return nil
		}}
		b, stop := start(t, sink, Options{DeadLetter: func(*pipeline.Change, error, int) error { return nil }})
		defer stop()
		good, bad := change("good", 1), change("bad", 1)
		good.DeadLettered = true // of an earlier try
		if err := b.Deliver(t.Context(), taken(t), good, bad); err != nil || good.DeadLettered || !bad.DeadLettered {
			t.Errorf("%v; dead-lettered: good %v, bad %v", err, good.DeadLettered, bad.DeadLettered)
		}
	})
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
		// While the dead letter cannot be stored bad1 is refused, and bad2 stays
		// behind it.
		bad := change("bad", 1)
		const refused = "dead-letter alpha/configmaps/ns/bad, refused because of too large: disk full"
		for range 2 {
			want := map[string]string{"good1": "", "bad1": refused, "bad2": refused}
			if diff := cmp.Diff(want, outcomeOf(t, b, change("good", 1), bad, change("bad", 2))); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			bad.Refusals++ // as the reconcile stage does
		}
		want := map[string]string{"bad1": "", "bad2": ""}
		if diff := cmp.Diff(want, outcomeOf(t, b, bad, change("bad", 2))); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		stop()
		if diff := cmp.Diff([]string{"bad1"}, dead); diff != "" {
			t.Errorf("dead letters (-want +got):\n%s", diff)
		}
	})
}

// A destination that refuses everything for good loses a few changes, not a fleet's; once
// it accepts one, what it refuses is given up again.
func TestWhoRefusesEverythingIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := pipeline.Permanent(errors.New("400 Bad Request"))
		accepts := ""
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			reasons := map[string]error{}
			for _, label := range batch {
				if label != accepts {
					reasons[label] = wrong
				}
			}
			return failing(batch, reasons)
		}}
		dead := 0
		b, stop := start(t, sink, Options{DeadLetter: func(*pipeline.Change, error, int) error {
			dead++
			return nil
		}})
		all := func() (refused int) {
			var changes []*pipeline.Change
			for i := range 40 {
				changes = append(changes, change(fmt.Sprint("c", i, "-"), 1))
			}
			for _, why := range outcomeOf(t, b, changes...) {
				if why == "" {
					continue
				}
				if refused++; !strings.Contains(why, "the last 16 changes") || !strings.Contains(why, "400 Bad Request") {
					t.Fatalf("refused, because %s", why)
				}
			}
			return refused
		}
		if refused := all(); refused != 40-mostGivenUp || dead != mostGivenUp {
			t.Errorf("%d refused, %d given up, want all but %d refused", refused, dead, mostGivenUp)
		}
		if refused := all(); refused != 40 {
			t.Errorf("%d refused, want all", refused)
		}
		dead, accepts = 0, "c39-1"
		if refused := all(); refused != 39-mostGivenUp || dead != mostGivenUp {
			t.Errorf("%d refused, %d given up once one was accepted", refused, dead)
		}
		stop()
	})
}

func TestAPoisonedBatchIsSplit(t *testing.T) {
	for name, withDeadLetter := range map[string]bool{"dead letter": true, "no dead letter": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
					if slices.Contains(batch, "p1") {
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
				got := outcomeOf(t, b, batch...)
				stop()
				want := [][]string{
					{"a1", "b1", "p1", "c1", "p2", "d1", "e1", "f1"},
					{"a1", "b1", "p1", "c1"}, {"a1", "b1"}, {"p1", "c1"}, {"p1"}, {"c1"},
				}
				outcome := map[string]string{}
				for _, c := range batch {
					outcome[label(c)] = ""
				}
				if withDeadLetter {
					want = append(want, []string{"p2", "d1", "e1", "f1"})
					if diff := cmp.Diff([]string{"p1"}, dead); diff != "" {
						t.Errorf("dead letters (-want +got):\n%s", diff)
					}
				} else {
					want = append(want, []string{"d1", "e1", "f1"})
					outcome["p1"], outcome["p2"] = "invalid byte sequence", "invalid byte sequence"
				}
				if diff := cmp.Diff(want, sink.written()); diff != "" {
					t.Errorf("writes (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(outcome, got); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
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
		if err := b.Deliver(t.Context(), taken(t), change("a", 1), change("b", 1)); err != nil {
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
		if err := b.Deliver(t.Context(), taken(t), change("a", 1), change("b", 1)); err != nil {
			t.Fatal(err)
		}
		stop()
		if diff := cmp.Diff([][]string{{"a1", "b1"}, {"a1", "b1"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

// Who delivers several changes hears of each as soon as it is known what becomes
// of it.
func TestDeliverTellsOfEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gated{make(chan error)}
		sink := &fakeSink{answer: g.answer}
		b, _ := start(t, sink, Options{MinBatch: 2, MaxBatch: 2, ReconnectMin: time.Second, ReconnectMax: time.Second})
		var (
			mu  sync.Mutex
			all []string
		)
		deliver := func(ctx context.Context) chan error {
			all = nil
			done := make(chan error, 1)
			go func() {
				done <- b.Deliver(ctx, func(i int, refused error) {
					mu.Lock()
					defer mu.Unlock()
					all = append(all, fmt.Sprint(i, refused))
				}, change("a", 1), change("b", 1), change("c", 1), change("d", 1))
			}()
			synctest.Wait()
			return done
		}
		told := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, all); diff != "" {
				t.Errorf("told %s (-want +got):\n%s", when, diff)
			}
		}
		done := deliver(t.Context())
		told("before a write has ended")
		g.release <- &pipeline.BatchError{Failed: map[int]error{0: errors.New("conflict")}}
		told("at once", "0 conflict", "1 <nil>")
		g.release <- errors.New("down")
		told("when the destination fails", "0 conflict", "1 <nil>")
		g.release <- nil
		if err := <-done; err != nil {
			t.Error(err)
		}
		told("in the end", "0 conflict", "1 <nil>", "2 <nil>", "3 <nil>")

		// A request that is used again; and what was told before its caller gave up.
		ctx, cancel := context.WithCancel(t.Context())
		done = deliver(ctx)
		g.release <- nil
		told("of half", "0 <nil>", "1 <nil>")
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		told("before the end", "0 <nil>", "1 <nil>")
		g.release <- nil
	})
}
