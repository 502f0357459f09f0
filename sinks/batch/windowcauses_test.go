package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// halving writes as a window would that knows of no limit: after a failure half of that, but no less
// than the smallest batch, until that succeeds.
func halving(w *window, writes int, fails func() bool) (accepted int) {
	retry := 0
	for range writes {
		n := w.Most()
		if retry > 0 {
			n = retry
		}
		if fails() {
			w.goBack(n)
			w.batch = max(w.batch/2, w.least)
			retry = max(min(w.batch, n/2), w.least)
			continue
		}
		if n >= retry {
			retry = 0
		}
		w.took(n, 50*time.Millisecond)
		accepted += n
	}
	return accepted
}

// What fails in turns, at random or as it asked for too often, is written in batches that are no
// smaller, on the whole, than if nobody looked for a size.
func TestWindowIsNotKeptSmallByWhatFailsNowAndThen(t *testing.T) {
	every := func(n int) func() func() bool {
		return func() func() bool {
			i := 0
			return func() bool { i++; return i%n == 0 }
		}
	}
	atRandom := func(share float64) func() func() bool {
		return func() func() bool {
			random := rand.New(rand.NewPCG(1, 2))
			return func() bool { return random.Float64() < share }
		}
	}
	bucket := func() func() bool {
		tokens := 5.0
		return func() bool {
			if tokens = min(tokens+0.7, 5); tokens < 1 {
				return true
			}
			tokens--
			return false
		}
	}
	tests := map[string]func() func() bool{"bucket": bucket, "10 %": atRandom(0.1), "20 %": atRandom(0.2), "33 %": atRandom(1.0 / 3)}
	for _, n := range []int{2, 3, 4, 5, 7, 9, 10, 11, 20} {
		tests[fmt.Sprint("one of ", n)] = every(n)
	}
	for name, fails := range tests {
		for _, least := range []int{1, 1000} {
			const writes = 10_000
			want := halving(newWindow(least, 1000, 1), writes, fails())
			next := fails()
			w := newWindow(least, 1000, 1)
			got, _ := try(w, writes, func(int) bool { return next() })
			if got < want*9/10 {
				t.Errorf("%s, batches of %d at least: %d changes in a write, %d if nobody looked for a size", name, least, got/writes, want/writes)
			}
		}
	}
}

// A destination that asks for a pause does not say that a write was too large.
func TestAPauseSaysNothingOfSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if n++; len(batch) > 2 && n%9 > 0 {
				return pipeline.RetryAfter(errors.New("busy"), time.Second)
			}
			return nil
		}}
		b, _ := start(t, sink, Options{})
		for range 100 {
			outcomeOf(t, b, changes(4)...)
		}
		if s := b.Status(); s.TooLarge != nil {
			t.Errorf("too large %+v", s.TooLarge)
		}
	})
}

// A part of a batch that fails for its size is found beside one that does not, and does
// not make writes smaller where it fails whatever its size is.
func TestAPartThatIsTooLarge(t *testing.T) {
	for name, test := range map[string]struct {
		fits  int
		least int // changes of either cluster in a minute
	}{
		"beyond 300":        {300, 60_000},
		"whatever its size": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				accepted := 0
				sink := &partly{fits: test.fits, accepted: func(n int) {
					mu.Lock()
					defer mu.Unlock()
					accepted += n
				}}
				r := startRoute(t, sink, Options{MinBatch: 1000, MaxBatch: 1000, ReconnectMax: time.Second}, ratelimit.Limit{})
				ctx, cancel := context.WithCancel(t.Context())
				var sources sync.WaitGroup
				for cluster, pause := range map[string]time.Duration{"big": time.Microsecond, "small": 100 * time.Millisecond} {
					sources.Go(func() {
						for i := 0; ctx.Err() == nil; i++ {
							c := change(fmt.Sprint(i), 1)
							c.Key.Cluster = cluster
							if r.queue.Offer(ctx, c, 0) != nil {
								return
							}
							time.Sleep(pause)
						}
					})
				}
				time.Sleep(time.Minute)
				mu.Lock()
				if accepted < test.least {
					t.Errorf("%d changes were accepted, want %d", accepted, test.least)
				}
				mu.Unlock()
				s := r.batcher.Status()
				if isKnown := s.TooLarge != nil; isKnown != (test.fits > 0) {
					t.Errorf("too large: %+v", s.TooLarge)
				}
				cancel()
				sources.Wait()
				r.end()
			})
		})
	}
}

// partly is a sink that fails with the changes of a big cluster if they are too many.
type partly struct {
	fits     int
	accepted func(n int)
}

func (s *partly) Write(_ context.Context, all []*pipeline.Change) error {
	time.Sleep(200 * time.Millisecond)
	failed := map[int]error{}
	for i, c := range all {
		if c.Key.Cluster == "big" {
			failed[i] = pipeline.Outage(errors.New("timeout"))
		}
	}
	if len(failed) <= s.fits {
		clear(failed)
	}
	s.accepted(len(all) - len(failed))
	switch len(failed) {
	case 0:
		return nil
	case len(all):
		return failed[0]
	}
	return &pipeline.BatchError{Failed: failed}
}

// A limit is forgotten if there was nothing for long that is as large.
func TestALimitIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := errors.New("timeout after 1s")
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if len(batch) > 2 {
				return err
			}
			return nil
		}}
		b, _ := start(t, sink, Options{MinBatch: 4})
		for range limitWrites / 2 {
			outcomeOf(t, b, changes(4)...)
		}
		if s := b.Status(); s.TooLarge == nil {
			t.Fatal("nothing is too large")
		}
		// The status has the last error of a write of that size, not the first.
		err = errors.New("413")
		for range limitWrites {
			outcomeOf(t, b, changes(4)...)
		}
		if s := b.Status(); s.TooLarge == nil || s.TooLarge.LastError != "413" {
			t.Errorf("too large: %+v", s.TooLarge)
		}
		time.Sleep(limitTime + time.Second)
		if s := b.Status(); s.TooLarge != nil {
			t.Errorf("too large after %v: %+v", limitTime, s.TooLarge)
		}
	})
}

// A ledger that is slow now and then does not make a serial sink wait for changes.
func TestALedgerThatStalls(t *testing.T) {
	const each, last = 5 * time.Millisecond, 15 * time.Second
	for _, stalls := range [][2]time.Duration{{60 * time.Millisecond, 300 * time.Millisecond}, {75 * time.Millisecond, time.Second}} {
		for _, writers := range []int{1, 4} {
			synctest.Test(t, func(t *testing.T) {
				sink := &slow{took: func(n int) time.Duration { return time.Duration(n*writers) * each }}
				r := startRoute(t, sink, Options{Concurrency: writers}, ratelimit.Limit{})
				origin := *testOrigin
				began := time.Now()
				origin.Tracker = &stalling{storing: storing{answers: 2 * time.Millisecond}, usual: 2 * time.Millisecond, began: began, stall: stalls[0], every: stalls[1]}
				ctx, cancel := context.WithCancel(t.Context())
				var source sync.WaitGroup
				for _, cluster := range []string{"flood0", "flood1", "flood2"} {
					source.Go(func() {
						for i := 0; ; i++ {
							c := change(fmt.Sprint(i), 1)
							c.Key.Cluster, c.Origin = cluster, &origin
							if r.queue.Offer(ctx, c, 0) != nil {
								return
							}
							time.Sleep(time.Microsecond)
						}
					})
				}
				time.Sleep(2 * time.Second)
				sink.measure()
				time.Sleep(last)
				cancel()
				source.Wait()
				r.end()
				if could := int(last / each); sink.accepted < could*98/100 {
					t.Errorf("%d writers, %v of %v: %d changes of %d", writers, stalls[0], stalls[1], sink.accepted, could)
				}
			})
		}
	}
}

// stalling is a ledger that does not answer for a while at the begin of each period.
type stalling struct {
	storing
	began               time.Time
	usual, stall, every time.Duration
}

func (s *stalling) Begin(c *pipeline.Change) ([]types.UID, <-chan struct{}, bool) {
	s.mu.Lock()
	s.answers = max(s.stall-time.Since(s.began)%s.every, s.usual)
	s.mu.Unlock()
	return s.storing.Begin(c)
}

// What fails again with the same cause, and is over at once, is told once in a minute.
func TestFailuresNowAndThenAreToldOnce(t *testing.T) {
	h, now, told := health{healthy: true}, time.Now(), 0
	for range 60 {
		for _, err := range []error{errors.New("reset by 1.2.3.4"), nil} {
			if h.note(now, err).happened {
				told++
			}
			now = now.Add(time.Second)
		}
	}
	if told != 4 {
		t.Errorf("%d lines in two minutes, want 4", told)
	}
	for range 20 {
		if h.note(now, errors.New("reset by 1.2.3.5")).happened {
			told++
		}
		now = now.Add(time.Second)
	}
	if !h.note(now, nil).happened || told != 5 {
		t.Errorf("what lasts was not told: %d lines", told)
	}
}
