package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// lingering is a batcher that lingers, for a second if nothing else is said, and what it has written when.
type lingering struct {
	*Batcher
	t     *testing.T
	began time.Time

	mu     sync.Mutex
	writes []string
}

func startLingering(t *testing.T, opts Options, answer func(n int) error) *lingering {
	l := &lingering{t: t, began: time.Now()}
	sink := &fakeSink{}
	sink.answer = func(_ context.Context, batch []string) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.writes = append(l.writes, fmt.Sprintf("%d at %v", len(batch), time.Since(l.began)))
		if answer != nil {
			return answer(len(l.writes))
		}
		return nil
	}
	opts.Linger = cmp.Or(opts.Linger, time.Second)
	l.Batcher, _ = start(t, sink, opts)
	return l
}

// deliver brings some changes, and does not wait for them.
func (l *lingering) deliver(changes ...*pipeline.Change) {
	go func() {
		if err := l.Deliver(l.t.Context(), taken(l.t), changes...); err != nil {
			l.t.Error(err)
		}
	}()
	synctest.Wait()
}

func (l *lingering) want(writes ...string) {
	l.t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := gocmp.Diff(writes, l.writes); diff != "" {
		l.t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func changes(n int) (all []*pipeline.Change) {
	for i := range n {
		all = append(all, change(fmt.Sprint("c", i), 1))
	}
	return all
}

// A change that comes alone waits for nothing; what comes soon after a write waits for
// more, until the batch is as large as wanted or the time is over.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLingering(t, Options{MinBatch: 4, MaxBatch: 4}, nil)
		l.deliver(changes(1)...)
		l.want("1 at 0s")
		time.Sleep(300 * time.Millisecond)
		l.deliver(changes(1)...)
		time.Sleep(300 * time.Millisecond)
		l.deliver(changes(2)...)
		l.want("1 at 0s")
		time.Sleep(400 * time.Millisecond)
		l.want("1 at 0s", "3 at 1s")
		time.Sleep(100 * time.Millisecond)
		l.deliver(changes(3)...)
		time.Sleep(100 * time.Millisecond)
		l.deliver(changes(3)...) // six: one batch is full
		l.want("1 at 0s", "3 at 1s", "4 at 1.2s")
		time.Sleep(time.Second)
		l.want("1 at 0s", "3 at 1s", "4 at 1.2s", "2 at 2.2s")
		time.Sleep(time.Hour)
		l.deliver(changes(1)...)
		l.want("1 at 0s", "3 at 1s", "4 at 1.2s", "2 at 2.2s", "1 at 1h0m2.2s")
	})
}

// Bytes fill a batch as well.
func TestLingerForBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLingering(t, Options{MinBatch: 10, MaxBytes: 4000}, nil)
		l.deliver(changes(1)...)
		big := change("big", 1)
		big.Object = make([]byte, 3800)
		l.deliver(big)
		l.want("1 at 0s", "1 at 0s")
		l.deliver(changes(1)...)
		l.want("1 at 0s", "1 at 0s")
		time.Sleep(time.Second)
		l.want("1 at 0s", "1 at 0s", "1 at 1s")
	})
}

// What failed waits for its own time, which may be longer, and for no full batch.
func TestLingerOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLingering(t, Options{MinBatch: 2}, func(n int) error {
			if n == 1 {
				return pipeline.RetryAfter(errors.New("busy"), 5*time.Second)
			}
			return nil
		})
		l.deliver(changes(1)...)
		l.deliver(change("other", 1))
		time.Sleep(4 * time.Second)
		l.want("1 at 0s")
		time.Sleep(time.Second)
		l.want("1 at 0s", "2 at 5s")
	})
}

// The batch that is wanted of each request may be more than the destination takes. It gets less then, as
// soon as so much is there.
func TestABatchThatIsTooLargeForADestinationThatCharges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &narrow{took: func(int) time.Duration { return time.Second }, fits: 30}
		b, _ := start(t, sink, Options{MinBatch: 100, MaxBatch: 100, Linger: time.Minute})
		began := time.Now()
		for range 10 {
			outcomeOf(t, b, changes(91)...)
		}
		accepted, largest, failed := sink.fitsFrom(100)
		if took := time.Since(began); took > 12*time.Minute { // the last ones wait for more
			t.Errorf("it took %v", took)
		}
		if accepted != 910 || largest < 25 || failed > 10 {
			t.Errorf("%d changes were accepted in writes of up to %d, %d have failed", accepted, largest, failed)
		}
	})
}

// What failed has waited: it is tried again after its delay, however long the linger is.
// What comes after it has succeeded waits again.
func TestAFailureDoesNotLinger(t *testing.T) {
	for name, err := range map[string]error{
		"an error":       errors.New("reset"),
		"retry after":    pipeline.RetryAfter(errors.New("busy"), 5*time.Second),
		"within a batch": &pipeline.BatchError{Failed: map[int]error{0: pipeline.Outage(errors.New("reset"))}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLingering(t, Options{MinBatch: 2, Linger: time.Hour, ReconnectMax: time.Second}, func(n int) error {
					if n <= 2 {
						return err
					}
					return nil
				})
				check := func(want int) {
					t.Helper()
					synctest.Wait()
					l.mu.Lock()
					defer l.mu.Unlock()
					if len(l.writes) != want {
						t.Errorf("writes %v, want %d", l.writes, want)
					}
				}
				l.deliver(changes(1)...)
				time.Sleep(11 * time.Second)
				check(3)
				l.deliver(changes(1)...)
				time.Sleep(50 * time.Minute)
				check(3)
				time.Sleep(10*time.Minute - 11*time.Second)
				check(4) // an hour after the first attempt
			})
		})
	}
}

// While a stream waits for memory, what has some waits for no more.
func TestLingerWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLingering(t, Options{MinBatch: 100, Linger: time.Hour}, nil)
		l.deliver(changes(1)...)
		account := budget.New(32<<20, 1, 1<<20).Route().Account("alpha")
		defer account.Close()
		var loans []budget.Loan
		defer func() {
			for i := range loans {
				loans[i].Release()
			}
		}()
		ask := budget.Ask{Object: 1 << 20}
		for {
			loan, ok := account.Try(ask)
			if !ok {
				break
			}
			loans = append(loans, loan)
		}
		holding := change("holding", 1)
		holding.Memory = loans[0]
		l.deliver(holding)
		time.Sleep(10 * time.Minute)
		l.want("1 at 0s")

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if _, err := account.Take(ctx, ask); !errors.Is(err, context.Canceled) {
				t.Errorf("there is memory: %v", err)
			}
		}()
		time.Sleep(lingerStep)
		l.want("1 at 0s", "1 at 10m0.1s")
		cancel()
		<-ended
		time.Sleep(time.Hour) // so that a write that did not come does, and this test fails alone
	})
}

// Without it nothing waits.
func TestNoLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{}
		b, _ := start(t, sink, Options{MinBatch: 100})
		for i := range 3 {
			if err := b.Deliver(t.Context(), taken(t), change("a", i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := sink.written(); !slices.EqualFunc(got, [][]string{{"a0"}, {"a1"}, {"a2"}}, slices.Equal) {
			t.Errorf("writes %v", got)
		}
	})
}

// Deliveries are to come shortly before the linger of the last write is over, so that they
// become one write with what waits.
func TestLingerPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLingering(t, Options{MinBatch: 100, MaxBatch: 100, MaxBytes: 80_000}, nil)
		var mu sync.Mutex
		var pace pipeline.Pace
		l.Pace(func(p pipeline.Pace) {
			mu.Lock()
			defer mu.Unlock()
			pace = p
		})
		check := func(until time.Duration) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if pace.Batch != 100 || pace.Bytes != 70_000 || pace.Deliveries != 2 || pace.UnderWay != 300 {
				t.Errorf("%+v", pace)
			}
			if until > 0 && pace.Until.Sub(l.began) != until || until == 0 && (pace.Until.IsZero() || pace.Until.After(time.Now())) {
				t.Errorf("until %v, want %v", pace.Until.Sub(l.began), until)
			}
		}
		check(0)
		l.deliver(changes(1)...)
		check(937500 * time.Microsecond)
		time.Sleep(950 * time.Millisecond)
		l.deliver(changes(1)...)
		time.Sleep(50 * time.Millisecond)
		check(1937500 * time.Microsecond)
		l.want("1 at 0s", "1 at 1s")
	})
}
