package bench

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sources/connection"
)

// redial is when a member dials next.
type redial struct {
	at     time.Duration // since the cut
	member int
	paced  bool
}

type redials []redial

func (r redials) Len() int           { return len(r) }
func (r redials) Less(i, j int) bool { return r[i].at < r[j].at }
func (r redials) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *redials) Push(x any)        { *r = append(*r, x.(redial)) }
func (r *redials) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}

// outage is what a cut has led to.
type outage struct {
	worst int           // members that dialed in the worst second after the first
	late  int           // members that were not back when the longest delay and a tenth had passed since the cut was over
	last  time.Duration // from the end of the cut until the last one was back
}

// reconnect cuts members off for a while, in simulated time. It uses the delays
// and the pace of package connection, whose TestHerd shows the same of whole
// connections. asks tells whether members are asked, between probes, whether they
// answer: a probe follows at once, so that both are one dial of a member.
func reconnect(members int, cut time.Duration, pace *connection.ReconnectLimiter, asks bool) (o outage) {
	const longest = connection.DefaultReconnectMax
	start := time.Now()
	pace.Join(members)
	delays := make([]*backoff.ExponentialBackOff, members)
	probeAt := make([]time.Duration, members)
	silent := make([]bool, members) // a reachability probe has found nobody
	var next redials
	for i := range members {
		delays[i] = retry.NewBackOff(connection.DefaultReconnectMin, longest)
		next = append(next, redial{member: i, paced: true}) // the first one finds the cut
	}
	heap.Init(&next)
	seconds := map[time.Duration]int{}
	for len(next) > 0 {
		r := heap.Pop(&next).(redial)
		if !r.paced {
			r.paced = true
			if wait := pace.Wait(start.Add(r.at)); wait > 0 {
				r.at += wait
				heap.Push(&next, r)
				continue
			}
		}
		seconds[r.at/time.Second]++
		if r.at < cut || r.at == 0 {
			if probeAt[r.member] <= r.at {
				probeAt[r.member] = r.at + delays[r.member].NextBackOff()
			} else {
				silent[r.member] = true
			}
			if every := connection.DefaultReachInterval; asks {
				asked := r.at + every + rand.N(every/10)
				if r.at = min(asked, probeAt[r.member]); silent[r.member] {
					r.at = asked
				}
			} else {
				r.at = probeAt[r.member]
			}
			r.paced = false
			heap.Push(&next, r)
			continue
		}
		o.last = max(o.last, r.at-cut)
		if r.at > cut+longest+longest/10 {
			o.late++
		}
	}
	for second, dials := range seconds {
		if second > 0 {
			o.worst = max(o.worst, dials)
		}
	}
	return o
}

// BenchmarkReconnect tells which share of 1,000 members, all cut off at once,
// dials in the worst second after the first, which share is not back within
// --reconnect-max and a tenth, and how long it takes until the last one is.
func BenchmarkReconnect(b *testing.B) {
	const members = 1000
	for _, cut := range []time.Duration{3 * time.Second, 5 * time.Minute} {
		for _, impl := range []struct {
			name string
			pace func() *connection.ReconnectLimiter
			asks bool
		}{
			{"fairlead", func() *connection.ReconnectLimiter { return connection.NewReconnectLimiter(0) }, true},
			{"backoff", func() *connection.ReconnectLimiter { return nil }, false},
		} {
			b.Run(fmt.Sprintf("cut=%v/impl=%s", cut, impl.name), func(b *testing.B) {
				var o outage
				for b.Loop() {
					now := reconnect(members, cut, impl.pace(), impl.asks)
					o.worst, o.late, o.last = max(o.worst, now.worst), max(o.late, now.late), max(o.last, now.last)
				}
				b.ReportMetric(float64(o.worst)/members, "worst-share")
				b.ReportMetric(float64(o.late)/members, "late-share")
				b.ReportMetric(float64(o.last), "last-ns")
			})
		}
	}
}

// BenchmarkOutage tells how long after a cut one member is back, at worst.
func BenchmarkOutage(b *testing.B) {
	for _, cut := range []time.Duration{20 * time.Second, 2 * time.Minute, 10 * time.Minute} {
		for _, impl := range []struct {
			name string
			asks bool
		}{{"fairlead", true}, {"backoff", false}} {
			b.Run(fmt.Sprintf("cut=%v/impl=%s", cut, impl.name), func(b *testing.B) {
				var last time.Duration
				for b.Loop() {
					last = max(last, reconnect(1, cut, connection.NewReconnectLimiter(0), impl.asks).last)
				}
				b.ReportMetric(float64(last), "worst-ns")
			})
		}
	}
}
