package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// simulatedSink is a sink that takes its time: for n changes that long.
type simulatedSink struct {
	name string
	took func(n int) time.Duration
}

// slowSinks are the sinks of BenchmarkWindow. The last one is a pipe whose reader takes 300
// changes in a second.
var slowSinks = []simulatedSink{
	{"50ms", func(int) time.Duration { return 50 * time.Millisecond }},
	{"200ms", func(int) time.Duration { return 200 * time.Millisecond }},
	{"5ms-each", func(n int) time.Duration { return time.Duration(n) * 5 * time.Millisecond }},
	{"1ms", func(int) time.Duration { return time.Millisecond }},
	{"pipe", func(n int) time.Duration { return time.Duration(n) * time.Second / 300 }},
}

// BenchmarkWindow is what a slow sink gets under a flood of one cluster, once the
// window has found its size: the share of what the sink could do with batches of
// 1,000; how long a quiet cluster's changes wait for it; and the p99 that may be:
// twice the sink's own latency, and one batch. That latency is the p99 of what its
// writes have taken, as the sink itself has measured it, for one change: own-p99-ns,
// and limit-ns is of that. nominal-ns is the same of what the writes were to take.
// Beside that, and not in the limit: the p99 of how late a goroutine runs meanwhile
// that only waits for a timer, which is a matter of the machine.
//
// Behind the pipe the same is measured of what a Go programmer would write by hand: see
// startByHand. The changes of path=whole and path=whole-new come from members, see startWhole.
func BenchmarkWindow(b *testing.B) {
	const warmUp, last = 40, 60 // writes of 200 ms, or the time of as many
	// So long that a percentile of what the quiet cluster waits is one of some hundreds.
	const least = 6 * time.Second
	measure := func(b *testing.B, start starter, took func(n int) time.Duration) *slowSink {
		sink := &slowSink{took: took}
		stop := start(b, sink)
		unit := min(max(took(1), 20*time.Millisecond), 200*time.Millisecond)
		pass(b, warmUp*unit)
		sink.reset(true)
		probe := probeCores(b)
		began := time.Now()
		for range b.N {
			pass(b, max(last*unit, least))
		}
		sink.reset(false)
		sink.late = probe()
		sink.rate = float64(sink.accepted) / time.Since(began).Seconds()
		stop()
		return sink
	}
	// No sink gets more than there is with one that takes no time.
	most := sync.OnceValue(func() float64 {
		return measure(b, startFlood, func(int) time.Duration { return 0 }).rate
	})
	run := func(path, impl string, start starter, s simulatedSink) {
		b.Run("sink="+s.name+path+"/impl="+impl, func(b *testing.B) {
			sink := measure(b, start, s.took)
			longer := float64(sink.own) / float64(sink.wanted)
			could := min(max(1/s.took(1).Seconds(), 1000/s.took(1000).Seconds())/longer, most())
			if path != "" {
				could = min(could, wholeFloodRate)
			}
			if len(sink.quiet) == 0 {
				b.Fatal("nothing of the quiet cluster arrived")
			}
			slices.Sort(sink.quiet)
			slices.Sort(sink.late)
			slices.Sort(sink.lateness)
			one, largest := s.took(1), s.took(sink.largest)
			late := sink.lateness[len(sink.lateness)*99/100]
			b.ReportMetric(sink.rate, "changes/s")
			b.ReportMetric(1-min(sink.rate/could, 1), "idle-share")
			b.ReportMetric(float64(sink.quiet[len(sink.quiet)/2]), "p50-ns")
			b.ReportMetric(float64(sink.quiet[len(sink.quiet)*99/100]), "p99-ns")
			b.ReportMetric(float64(one+late), "own-p99-ns")
			b.ReportMetric(float64(2*(one+late))+longer*float64(largest), "limit-ns")
			b.ReportMetric(float64(2*one+largest), "nominal-ns")
			b.ReportMetric(float64(sink.late[len(sink.late)*99/100]), "timer-p99-ns")
			b.ReportMetric(float64(sink.largest), "largest-batch")
			b.ReportMetric(longer, "write-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
	for _, s := range slowSinks {
		run("", "fairlead", startFlood, s)
		if s.name == "pipe" {
			run("", "handwritten", startByHand, s)
		}
	}
	for _, s := range slowSinks {
		switch s.name {
		case "pipe":
			run("/path=whole", "fairlead", startWhole(true), s)
			run("/path=whole", "handwritten", startWholeByHand, s)
			run("/path=whole-new", "fairlead", startWhole(false), s)
		case "1ms":
			run("/path=whole", "fairlead", startWhole(true), s)
			run("/path=whole-new", "fairlead", startWhole(false), s)
		}
	}
}

// pass lets time pass.
func pass(b *testing.B, d time.Duration) {
	select {
	case <-time.After(d):
	case <-b.Context().Done():
		b.Fatal("the benchmark was ended")
	}
}

// slowSink takes its time, and measures while it is told to.
type slowSink struct {
	took func(n int) time.Duration

	mu        sync.Mutex
	measuring bool
	from, to  time.Time // it was told to measure
	accepted  int
	own       time.Duration   // what the writes have taken
	wanted    time.Duration   // what they were to take
	lateness  []time.Duration // by how much each has taken longer
	largest   int
	quiet     []time.Duration
	rate      float64         // in the end
	late      []time.Duration // see probeCores
}

// probeCores has a goroutine that is due every 3 ms, and returns what tells how late it was
// each time: for longer than 3 ms, it is late several times.
func probeCores(b *testing.B) (end func() (late []time.Duration)) {
	const each = 3 * time.Millisecond
	var all []time.Duration
	stop := background(b, func(ctx context.Context) {
		for due := time.Now().Add(each); ctx.Err() == nil; due = due.Add(each) {
			select {
			case <-time.After(time.Until(due)):
				all = append(all, time.Since(due))
			case <-ctx.Done():
			}
		}
	})
	return func() []time.Duration {
		stop()
		return all
	}
}

func (s *slowSink) reset(measuring bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.measuring = measuring
	if measuring {
		s.from = time.Now()
	} else {
		s.to = time.Now()
	}
}

// sleep lets the thread sleep. A timer of the runtime is up to a millisecond late, as it
// waits for the network in whole milliseconds: with these, a sink of 1 ms is one of 2 ms.
func sleep(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for errors.Is(unix.Nanosleep(&left, &left), unix.EINTR) {
	}
}

func (s *slowSink) Write(_ context.Context, changes []*pipeline.Change) error {
	began := time.Now()
	took := s.took(len(changes))
	sleep(took)
	own := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.measuring {
		return nil
	}
	s.own += own
	s.wanted += took
	s.lateness = append(s.lateness, own-took)
	s.accepted += len(changes)
	s.largest = max(s.largest, len(changes))
	for _, c := range changes {
		if c.Key.Cluster == "quiet" {
			s.quiet = append(s.quiet, time.Since(c.Observed))
		}
	}
	return nil
}
