package bench

import (
	"container/heap"
	"fmt"
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

// reconnect cuts members off for a while, in simulated time, and returns how
// many dialed in the worst second after the first, and how many were not back
// when the longest delay and a tenth had passed since the cut was over. It uses
// the delays and the pace of package connection, whose TestHerd shows the same
// of whole connections.
func reconnect(members int, cut time.Duration, pace *connection.Pace) (worst, late int) {
	const longest = connection.DefaultReconnectMax
	start := time.Now()
	pace.Join(members)
	delays := make([]*backoff.ExponentialBackOff, members)
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
			r.at += delays[r.member].NextBackOff()
			r.paced = false
			heap.Push(&next, r)
			continue
		}
		if r.at > cut+longest+longest/10 {
			late++
		}
	}
	for second, dials := range seconds {
		if second > 0 {
			worst = max(worst, dials)
		}
	}
	return worst, late
}

// BenchmarkReconnect tells which share of 1,000 members, all cut off at once,
// dials in the worst second after the first, and which share is not back within
// --reconnect-max and a tenth.
func BenchmarkReconnect(b *testing.B) {
	const members = 1000
	for _, cut := range []time.Duration{3 * time.Second, 5 * time.Minute} {
		for _, impl := range []struct {
			name string
			pace func() *connection.Pace
		}{
			{"fairlead", func() *connection.Pace { return connection.NewPace(0) }},
			{"backoff", func() *connection.Pace { return nil }},
		} {
			b.Run(fmt.Sprintf("cut=%v/impl=%s", cut, impl.name), func(b *testing.B) {
				worst, late := 0, 0
				for b.Loop() {
					w, l := reconnect(members, cut, impl.pace())
					worst, late = max(worst, w), max(late, l)
				}
				b.ReportMetric(float64(worst)/members, "worst-share")
				b.ReportMetric(float64(late)/members, "late-share")
			})
		}
	}
}
