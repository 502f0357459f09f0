package connection

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// TestHerd cuts a thousand members at once. Whether the cut is over before
// backoff has spread their retries, or long after, no second but the first sees
// more than a twentieth of them dial, nor more than a hundred dials of whatever kind,
// and all are back in time: after a long cut as soon as that allows, which is one round
// of the line, and half a second of jitter before it.
func TestHerd(t *testing.T) {
	const members = 1000
	for name, down := range map[string]answer{"refused": refused, "black hole": silent} {
		for _, cut := range []time.Duration{0, 3 * time.Second, 20 * time.Second, 5 * time.Minute} {
			t.Run(name+" for "+cut.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := cutOff(t, members, down, cut)
					if h.members > members/20 {
						t.Errorf("%d of %d members dialed within a second", h.members, members)
					}
					if h.dials > mostReaches {
						t.Errorf("%d dials within a second", h.dials)
					}
					if round := members * time.Second / (leastDialing - 1); cut > time.Minute && h.last > round+DefaultReachInterval/10 {
						t.Errorf("the last one is back after %v, a round takes %v", h.last, round)
					}
					if h.late > 0 {
						t.Errorf("%d of %d members are not back", h.late, members)
					}
				})
			})
		}
	}
}

// TestSmallFleet: up to 250 members that were cut off at once are back as soon as
// one alone.
func TestSmallFleet(t *testing.T) {
	for name, down := range map[string]answer{"refused": refused, "black hole": silent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if h := cutOff(t, 250, down, 2*time.Minute); h.late > 0 || h.last > reachBound || h.dials > mostReaches {
					t.Errorf("%+v", h)
				}
			})
		})
	}
}

// herd is what a cut of a whole fleet has led to.
type herd struct {
	members, dials int           // in the worst second but the first
	late           int           // members that are not back in time
	last           time.Duration // from the end of the cut until the last one was back
}

// cutOff cuts off a fleet, and ends that.
func cutOff(t *testing.T, members int, down answer, cut time.Duration) (h herd) {
	limiter := NewReconnectLimiter(0)
	config := Config{HealthInterval: 24 * time.Hour} // probes of live members dial nothing
	fleet := make([]*Connection, members)
	fakes := make([]*fakeMember, members)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range fleet {
		fakes[i] = &fakeMember{}
		fleet[i] = newConnection(t, Options{Cluster: fmt.Sprint(i), REST: fakes[i].rest(), Config: config, ReconnectLimiter: limiter})
		wg.Go(func() { _ = fleet[i].Run(ctx) })
	}
	time.Sleep(10 * time.Minute) // the reconnects are no flapping
	began := time.Now()
	for i, f := range fakes {
		if cut > 0 {
			f.set(down)
		}
		fleet[i].Report(acquireLive(t, fleet[i]), io.EOF)
	}
	time.Sleep(cut)
	for _, f := range fakes {
		f.set(nil)
	}
	time.Sleep(DefaultReconnectMax * 11 / 10)
	synctest.Wait()
	dialing, dials := map[int]int{}, map[int]int{} // in each second
	for i, f := range fakes {
		status := fleet[i].Status()
		if status.State != member.Live {
			h.late++
		}
		h.last = max(h.last, status.Since.Sub(began.Add(cut)))
		seconds := map[int]int{}
		for _, at := range f.dials() {
			if at.Sub(began) >= time.Second {
				seconds[int(at.Sub(began)/time.Second)]++
			}
		}
		for second, n := range seconds {
			dialing[second]++
			dials[second] += n
		}
	}
	for second := range dials {
		h.members, h.dials = max(h.members, dialing[second]), max(h.dials, dials[second])
	}
	t.Logf("%+v", h)
	cancel()
	wg.Wait()
	return h
}

// acquireLive is acquire for a connection that must be live by now.
func acquireLive(t *testing.T, c *Connection) *member.Session {
	t.Helper()
	if c.Status().State != member.Live {
		t.Fatalf("%s: %+v", c.cluster, c.Status())
	}
	return acquire(t, c)
}
