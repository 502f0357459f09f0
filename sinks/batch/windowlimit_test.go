package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// try has the window write as much as it may, as under a flood, until that many writes have
// ended, and returns how many changes were accepted and how many writes failed.
func try(w *window, writes int, fails func(n int) bool) (accepted, failed int) {
	for range writes {
		n := w.Most()
		w.Began(n, 0)
		if fails(n) {
			w.Failed(n)
			failed++
			continue
		}
		w.Wrote(n, 50*time.Millisecond)
		accepted += n
	}
	return accepted, failed
}

// Of the writes of a sink that fails beyond a size, hardly one in a hundred fails, and it gets
// nearly what it takes, wherever that size is and whatever it was before.
func TestWindowFindsWhatIsTooLarge(t *testing.T) {
	beyond := func(most int) func(int) bool { return func(n int) bool { return n > most } }
	for _, before := range []int{0, 1, 40, 1000} {
		for _, most := range []int{1, 2, 3, 7, 64, 65, 100, 127, 500, 999} {
			w := newWindow(1, 1000, 1)
			if before > 0 {
				try(w, 1000, beyond(before))
			}
			if before < most {
				try(w, 1000, beyond(most)) // as many as the pause may last
			}
			accepted, failed := try(w, 1000, beyond(most))
			if failed > 25 || accepted < 800*most {
				t.Errorf("beyond %d, %d before: of 1000 writes %d have failed, and %d changes were accepted", most, before, failed, accepted)
			}
			// In half an hour there are three more tries.
			if _, failed := try(w, 30*60*20, beyond(most)); failed > 10 {
				t.Errorf("beyond %d, %d before: %d writes have failed in half an hour", most, before, failed)
			}
		}
	}
}

// What becomes possible is found after about as many writes, at the most, as there were before, and
// at once after an outage.
func TestWindowFindsThatNothingIsTooLarge(t *testing.T) {
	w := newWindow(1, 1000, 1)
	const most, writes = 100, 1000
	reaches := func(limit int) int {
		for i := range limit {
			if try(w, 1, func(int) bool { return false }); w.Batch() == 1000 {
				return i
			}
		}
		return limit
	}
	try(w, writes, func(n int) bool { return n > most })
	if took := reaches(2 * writes); took > writes+40 {
		t.Errorf("a batch of %d after %d writes", w.Batch(), took)
	}
	try(w, writes, func(n int) bool { return n > most })
	try(w, 20, func(int) bool { return true })
	if took := reaches(writes); took > 30 {
		t.Errorf("after an outage a batch of %d after %d writes", w.Batch(), took)
	}
	// Also for a sink whose writes take long.
	w = newWindow(1, 1000, 1)
	for range 10_000 {
		if n := w.Most(); n > most {
			w.Failed(n)
		} else {
			w.Wrote(n, time.Minute)
		}
	}
	if took := reaches(writes); took > limitWrites+20 {
		t.Errorf("writes of a minute: a batch of %d after %d writes", w.Batch(), took)
	}
}

// What fails whatever its size is has nothing kept small: neither after an outage, however
// long, nor where one write in ten fails.
func TestWindowIsNotKeptSmallByOutages(t *testing.T) {
	for lasts := range 30 {
		w := newWindow(1, 1000, 1)
		try(w, 100, func(int) bool { return false })
		try(w, lasts, func(int) bool { return true })
		if accepted, _ := try(w, 30, func(int) bool { return false }); accepted < 20*1000 || w.size() != 1000 {
			t.Errorf("after %d failures %d changes in 30 writes, and a batch of %d", lasts, accepted, w.size())
		}
	}
	for _, share := range []float64{0.01, 0.03, 0.1} {
		random := rand.New(rand.NewPCG(1, 2))
		w := newWindow(1, 1000, 1)
		accepted, _ := try(w, 10_000, func(int) bool { return random.Float64() < share })
		if accepted < 10_000*1000/2 {
			t.Errorf("where %v of the writes fail, they have %d changes each", share, accepted/10_000)
		}
		t.Logf("where %v of the writes fail, they have %d changes each", share, accepted/10_000)
	}
}

// Of several writes that are under way at once one is the try.
func TestWindowTriesWhatIsTooLargeOnce(t *testing.T) {
	w := newWindow(1, 1000, 4)
	beyond := func(n int) bool { return n > 100 }
	for range 1000 {
		if try(w, 1, beyond); w.limit.fails > 0 && w.limit.fails < 110 && w.Most() == w.limit.fails {
			break
		}
	}
	first := w.Most()
	w.Began(first, 0)
	if second := w.Most(); first <= 100 || second > 100 {
		t.Errorf("writes of %d and %d at once", first, second)
	}
	// What has begun before it was known to fail is no further one.
	before := w.limit.waits
	w.Failed(first)
	w.Failed(first)
	if w.limit.waits > 2*before {
		t.Errorf("a pause of %d writes after one of %d", w.limit.waits, before)
	}
}

// A limit of bytes is one of changes that is never quite the same: what succeeds most of the time
// is written, and what does not is not.
func TestWindowWithALimitThatVaries(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := newWindow(1, 1000, 1)
	accepted, failed := try(w, 10_000, func(n int) bool { return n > 80+random.IntN(41) })
	if accepted < 10_000*60 || failed > 2000 {
		t.Errorf("of 10000 writes %d have failed; %d changes in each", failed, accepted/10_000)
	}
	t.Logf("of 10000 writes %d have failed; %d changes in each", failed, accepted/10_000)
}

// What a smaller batch mends is told once, and is no reason for a sink not to be healthy.
func TestWhatIsTooLargeIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var logs []string
		log := funcr.New(func(_, args string) {
			mu.Lock()
			defer mu.Unlock()
			if at := strings.Index(args, ` "after"`); at > 0 {
				args = args[:at]
			}
			logs = append(logs, args)
		}, funcr.Options{})
		told := func() (since []string) {
			mu.Lock()
			defer mu.Unlock()
			since, logs = logs, nil
			return since
		}
		sink := &narrow{took: func(int) time.Duration { return 10 * time.Second }, fits: 20}
		r := startRoute(t, sink, Options{Log: log}, ratelimit.Limit{})
		ctx, cancel := context.WithCancel(t.Context())
		var source sync.WaitGroup
		source.Go(func() {
			for i := 0; r.queue.Offer(ctx, change(fmt.Sprint(i), 1), 0) == nil; i++ {
			}
		})
		time.Sleep(10 * time.Minute)
		// It has failed three times before the size is known, and twice more before that is
		// lowered. What is within a minute is one line of the log.
		first, at := told(), time.Now()
		sizes := 0
		for _, line := range first {
			if strings.Contains(line, `"failingChanges"=`) {
				sizes++
			}
		}
		if len(first) > 8 || sizes == 0 || sizes > 2 {
			t.Fatalf("logs %q", first)
		}
		if diff := cmp.Diff([]string{
			`"msg"="Sink fails; what it has not accepted is tried again" "error"="deadline exceeded" "sink"="test"`,
			`"level"=0 "msg"="Sink has recovered" "sink"="test"`,
		}, first[:2]); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
		time.Sleep(2 * time.Hour)
		if _, _, failed := sink.fitsFrom(20); failed < 10 {
			t.Errorf("%d writes have failed, want one in ten minutes", failed)
		}
		s := r.batcher.Status()
		if !s.Healthy || s.TooLarge == nil || s.TooLarge.Changes < 21 || s.TooLarge.Changes > 23 || s.TooLarge.LastError != "deadline exceeded" || !s.TooLarge.Since.Before(at) {
			t.Errorf("status %+v, %+v", s, s.TooLarge)
		}
		if more := told(); len(more) > 0 {
			t.Errorf("logs %q", more)
		}
		sink.fitsFrom(1000)
		time.Sleep(20 * time.Minute)
		if diff := cmp.Diff([]string{`"level"=0 "msg"="Sink takes larger writes again" "sink"="test"`}, told()); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
		if s := r.batcher.Status(); s.TooLarge != nil {
			t.Errorf("status %+v", s.TooLarge)
		}
		cancel()
		source.Wait()
		r.end()
	})
}

// An outage that begins with a try of what is too large is told like any other.
func TestAnOutageBesideWhatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var most atomic.Int64
		most.Store(2)
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if len(batch) > int(most.Load()) {
				return errors.New("down")
			}
			return nil
		}}
		b, _ := start(t, sink, Options{MinBatch: 4})
		four := []*pipeline.Change{change("a", 1), change("b", 1), change("c", 1), change("d", 1)}
		for range limitWrites {
			outcomeOf(t, b, four...)
		}
		if s := b.Status(); !s.Healthy || s.TooLarge == nil || s.TooLarge.Changes != 3 {
			t.Errorf("status %+v, %+v", s, s.TooLarge)
		}
		most.Store(0)
		done := make(chan struct{})
		go func() {
			defer close(done)
			outcomeOf(t, b, four...)
		}()
		time.Sleep(10 * time.Second)
		if s := b.Status(); s.Healthy || s.LastError != "down" {
			t.Errorf("status %+v", s)
		}
		most.Store(10)
		<-done
		outcomeOf(t, b, four...)
		if s := b.Status(); !s.Healthy || s.TooLarge != nil {
			t.Errorf("status %+v, %+v", s, s.TooLarge)
		}
	})
}
