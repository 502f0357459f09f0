package sinkbench

import (
	"syscall"
	"testing"
	"time"
)

// way is one way to write, with what it has used.
type way struct {
	write func(round int) error
	took  time.Duration
	cpu   time.Duration
}

// Compare has ours and direct write as many changes in each round, in turns, so that both
// meet the same machine and server; round 0, which connects, is not measured. It reports
// the time and the CPU that each takes for a change; units of direct begin with "direct-",
// for bench/internal/report. cpu is what clients and servers have used; nil: the CPU of this process.
func Compare(b *testing.B, changes int, cpu func() time.Duration, ours, direct func(round int) error) {
	b.Helper()
	if cpu == nil {
		cpu = func() time.Duration { return OfProcess(b) }
	}
	ways := []*way{{write: ours}, {write: direct}}
	turn := func(w *way, round int) {
		used, began := cpu(), time.Now()
		if err := w.write(round); err != nil {
			b.Fatal(err)
		}
		if round > 0 {
			w.took += time.Since(began)
			w.cpu += cpu() - used
		}
	}
	for _, w := range ways {
		turn(w, 0)
	}
	round := 0
	for b.Loop() {
		round++
		turn(ways[round%2], round)
		turn(ways[(round+1)%2], round)
	}
	all := float64(round * changes)
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / all }
	for i, of := range []string{"", "direct-"} {
		b.ReportMetric(all/ways[i].took.Seconds(), of+"changes/s")
		b.ReportMetric(each(ways[i].took), of+"ns/change")
		b.ReportMetric(each(ways[i].cpu), of+"cpu-ns/change")
	}
}

// OfProcess returns the CPU that this process has used.
func OfProcess(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
