package bench

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// cpuTime returns the processor time, user and system, that this process has
// used. API servers and writers run in processes of their own.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// stopwatch sums the processor time of several measured stretches: everything
// that the process does meanwhile, the garbage collection that it causes
// included.
type stopwatch struct{ used time.Duration }

// measure adds what run takes. What was left over before is collected first.
func (s *stopwatch) measure(run func()) {
	runtime.GC()
	before := cpuTime()
	run()
	s.used += cpuTime() - before
}

// report tells the processor time per event of all iterations together.
func (s *stopwatch) report(b *testing.B, events int) {
	b.ReportMetric(float64(s.used)/float64(b.N)/float64(events), "cpu-ns/event")
	b.ReportMetric(0, "ns/op")
}
