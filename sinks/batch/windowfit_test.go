package batch

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// sinkTimes are how long simulated sinks take for n changes.
var sinkTimes = map[string]struct {
	took           func(n int) time.Duration
	smallest, most int // of the batch that is right; most is the largest useful
}{
	"50 ms whatever the batch":  {func(int) time.Duration { return 50 * time.Millisecond }, 1000, 1000},
	"200 ms whatever the batch": {func(int) time.Duration { return 200 * time.Millisecond }, 1000, 1000},
	"5 ms per change":           {func(n int) time.Duration { return time.Duration(n) * 5 * time.Millisecond }, 1, 1},
	"1 ms":                      {func(int) time.Duration { return time.Millisecond }, 1000, 1000},
	"1 ms and 100 µs per change": {func(n int) time.Duration {
		return time.Millisecond + time.Duration(n)*100*time.Microsecond
	}, 32, 256},
	"5 µs per change": {func(n int) time.Duration { return time.Duration(n) * 5 * time.Microsecond }, 64, 1000},
}

// settle has the window write full batches.
func settle(w *window, writes int, took func(n int) time.Duration) (smallest, largest int) {
	smallest = math.MaxInt
	for i := range writes {
		n := w.Batch()
		if w.probing == 0 && i > writes/2 {
			smallest, largest = min(smallest, n), max(largest, n)
		}
		w.Wrote(n, took(n))
	}
	return smallest, largest
}

func TestWindowFindsTheBatchThatPays(t *testing.T) {
	for name, sink := range sinkTimes {
		t.Run(name, func(t *testing.T) {
			w := newWindow(1, 1000, 1)
			if smallest, largest := settle(w, 200, sink.took); smallest < sink.smallest || largest > sink.most {
				t.Errorf("batches of %d to %d, want %d to %d", smallest, largest, sink.smallest, sink.most)
			}
			// From either side, and within what the kind says.
			w = newWindow(1, 1000, 1)
			settle(w, 100, func(int) time.Duration { return 20 * time.Millisecond })
			if smallest, largest := settle(w, 400, sink.took); smallest < sink.smallest || largest > sink.most {
				t.Errorf("after it was another sink: batches of %d to %d, want %d to %d", smallest, largest, sink.smallest, sink.most)
			}
			w = newWindow(100, 200, 1)
			if smallest, largest := settle(w, 100, sink.took); smallest < 100 || largest > 200 {
				t.Errorf("batches of %d to %d, want 100 to 200", smallest, largest)
			}
		})
	}
}

// Real sinks are noisy: a fifth up and down, and now and then ten times as long.
func TestWindowWithNoise(t *testing.T) {
	for name, sink := range sinkTimes {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			noisy := func(n int) time.Duration {
				f := 0.8 + 0.4*random.Float64()
				if random.IntN(50) == 0 {
					f *= 10
				}
				return time.Duration(f * float64(sink.took(n)))
			}
			w := newWindow(1, 1000, 1)
			settle(w, 100, noisy)
			changes, calm, best := 0, time.Duration(0), 0.0
			for n := 1; n <= 1000; n++ {
				best = max(best, float64(n)/sink.took(n).Seconds())
			}
			largest := 0
			for range 3000 {
				n := w.Batch()
				largest = max(largest, n)
				changes += n
				calm += sink.took(n)
				w.Wrote(n, noisy(n))
			}
			if rate := float64(changes) / calm.Seconds(); rate < 0.8*best {
				t.Errorf("%.0f changes/s, want four fifths of %.0f", rate, best)
			}
			if largest > 8*sink.most {
				t.Errorf("a batch of %d, where %d is enough", largest, sink.most)
			}
		})
	}
}

// A sink that takes its time for each change gets single ones: that two do not pay is seldom
// tried, as the double is what everybody waits for. It is noticed nevertheless when they do.
func TestWindowSeldomTriesWhatDidNotPay(t *testing.T) {
	w := newWindow(1, 1000, 1)
	settle(w, 2*windowRests, sinkTimes["5 ms per change"].took)
	larger := 0
	for range 4 * windowRests {
		n := w.Batch()
		if n > 1 {
			larger++
		}
		w.Wrote(n, sinkTimes["5 ms per change"].took(n))
	}
	if larger < 1 || larger > 4 {
		t.Errorf("%d of %d writes have had more than one change, want one in %d", larger, 4*windowRests, windowRests)
	}
	if settle(w, windowRests+200, func(int) time.Duration { return 5 * time.Millisecond }); w.batch != 1000 {
		t.Errorf("a batch of %d, where any takes 5 ms by now", w.batch)
	}
}

// However long a sink's writes take, it gets larger ones soon after these have begun to pay.
func TestWindowTriesAgainInTime(t *testing.T) {
	for _, each := range []time.Duration{5 * time.Millisecond, 200 * time.Millisecond, time.Second, time.Minute} {
		w := newWindow(1, 1000, 1)
		settle(w, 4*windowRests, func(n int) time.Duration { return time.Duration(n) * each })
		writes := 0
		for ; w.batch < 1000 && writes < 2*windowRests; writes++ {
			w.Wrote(w.Batch(), each)
		}
		// The line needs some twenty writes to forget, and ten to double so often.
		if paused := time.Duration(writes-40) * each; writes > windowRests+40 || paused > windowRestTime {
			t.Errorf("%v: a batch of %d after %d writes", each, w.batch, writes)
		}
	}
}

// What a sink did long ago with large batches says nothing of what it does now.
func TestWindowForgets(t *testing.T) {
	w := newWindow(1, 1000, 1)
	settle(w, 100, func(int) time.Duration { return time.Millisecond })
	if w.batch != 1000 {
		t.Fatalf("a batch of %d, want 1000", w.batch)
	}
	for range 10 * windowIdle {
		w.Wrote(1, 5*time.Millisecond)
	}
	if w.batch > 2 {
		t.Errorf("after writes of single changes a batch of %d", w.batch)
	}
	settle(w, 100, func(int) time.Duration { return time.Millisecond })
	w.Failed(1000)
	w.Failed(500)
	if w.batch != 250 {
		t.Errorf("after two failures a batch of %d, want a quarter of 1000", w.batch)
	}
}

// A second delivery is gathered only where the sink would be idle without it.
func TestWindowGathersAheadWhatPays(t *testing.T) {
	for name, want := range map[string]int{
		"50 ms whatever the batch": 2, "200 ms whatever the batch": 1, "5 ms per change": 1, "1 ms": 2, "5 µs per change": 2,
	} {
		w := newWindow(1, 1000, 1)
		if p := w.Pace(7); p != (pipeline.Pace{Batch: 1, Bytes: 7, Deliveries: 1, UnderWay: 16}) {
			t.Errorf("at first %+v", p)
		}
		settle(w, 100, sinkTimes[name].took)
		if p := w.Pace(7); p.Deliveries != want || p.UnderWay != max((want+1)*w.batch, 16) {
			t.Errorf("%s: %+v, want %d deliveries", name, p, want)
		}
	}
	if p := newWindow(0, 0, 4).Pace(0); p.Deliveries != 4 || p.Batch != 1 {
		t.Errorf("of four writes at once %+v", p)
	}
}
