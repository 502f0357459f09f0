package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sources/connection"
)

// backoffAlone is what the same cut leads to where each member has nothing but backoff with
// full jitter, between the same delays: as clients of an API server have it. The first second,
// in which all of them dial, does not count.
func backoffAlone(_ *testing.B, c cut) (o outage) {
	const longest = connection.DefaultReconnectMax
	dialing := map[time.Duration]int{} // in each second
	for range c.Down {
		delays := retry.NewBackOff(connection.DefaultReconnectMin, longest)
		at, before := time.Duration(0), time.Duration(-1)
		for {
			if second := at / time.Second; second != before {
				dialing[second]++
				before = second
			}
			if at > 0 && at >= c.For {
				break
			}
			at += max(delays.NextBackOff(), 1) // the first one finds the cut
		}
		o.Last = max(o.Last, at-c.For)
		if at > c.For+longest*11/10 {
			o.Late++
		}
	}
	for second, members := range dialing {
		if second > 0 {
			o.Worst = max(o.Worst, members)
		}
	}
	return o
}

// worstOf returns the worst of some outages, each with jitter of its own.
func worstOf(b *testing.B, outage func(b *testing.B, c cut) outage, c cut) (worst outage) {
	for b.Loop() {
		o := outage(b, c)
		worst.Worst, worst.Dials = max(worst.Worst, o.Worst), max(worst.Dials, o.Dials)
		worst.Late, worst.Last = max(worst.Late, o.Late), max(worst.Last, o.Last)
	}
	b.ReportMetric(0, "ns/op")
	return worst
}

// BenchmarkReconnect tells which share of 1,000 members, all cut off at once,
// dials in the worst second, how many dials of whatever kind that are, which
// share is not back within --reconnect-max and a tenth, and how long it takes until the last
// one is.
func BenchmarkReconnect(b *testing.B) {
	const members = 1000
	for _, lasts := range []time.Duration{3 * time.Second, 5 * time.Minute} {
		c := cut{Members: members, Down: members, For: lasts}
		report := func(b *testing.B, o outage) {
			b.ReportMetric(float64(o.Worst)/members, "worst-share")
			b.ReportMetric(float64(o.Late)/members, "late-share")
			b.ReportMetric(float64(o.Last), "last-ns")
		}
		b.Run(fmt.Sprintf("cut=%v/impl=fairlead", lasts), func(b *testing.B) {
			o := worstOf(b, outageOf, c)
			report(b, o)
			b.ReportMetric(float64(o.Dials), "worst-dials/s")
		})
		b.Run(fmt.Sprintf("cut=%v/impl=backoff", lasts), func(b *testing.B) { report(b, worstOf(b, backoffAlone, c)) })
	}
}

// BenchmarkOutage tells how long after a cut the last one is back of 200 members, at worst, in
// a fleet of 1,000; and after the longest cut of as many as are back within 6 s, and of all.
func BenchmarkOutage(b *testing.B) {
	for _, lasts := range []time.Duration{20 * time.Second, time.Minute, 2 * time.Minute, 10 * time.Minute} {
		c := cut{Members: 1000, Down: 200, For: lasts}
		b.Run(fmt.Sprintf("cut=%v/impl=fairlead", lasts), func(b *testing.B) { reportOutage(b, c) })
		b.Run(fmt.Sprintf("cut=%v/impl=backoff", lasts), func(b *testing.B) {
			b.ReportMetric(float64(worstOf(b, backoffAlone, c).Last), "worst-ns")
		})
	}
	for _, down := range []int{250, 1000} {
		c := cut{Members: 1000, Down: down, For: 10 * time.Minute}
		b.Run(fmt.Sprintf("cut=%v/down=%d/impl=fairlead", c.For, down), func(b *testing.B) { reportOutage(b, c) })
	}
}

func reportOutage(b *testing.B, c cut) {
	o := worstOf(b, outageOf, c)
	b.ReportMetric(float64(o.Last), "worst-ns")
	b.ReportMetric(float64(o.Dials), "worst-dials/s")
}
