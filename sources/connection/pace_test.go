package connection

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-dev/fairlead/internal/member"
)

// TestHerd cuts a thousand members at once. Whether the cut is over before
// backoff has spread their retries, or long after, no second but the first sees
// more than a twentieth of them dial, and all are back in time.
func TestHerd(t *testing.T) {
	const members = 1000
	for _, cut := range []time.Duration{0, 3 * time.Second, 20 * time.Second, 5 * time.Minute} {
		t.Run(cut.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pace := NewPace(0)
				config := Config{HealthInterval: 24 * time.Hour} // probes of live members dial nothing
				fleet := make([]*Connection, members)
				fakes := make([]*fakeMember, members)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i := range fleet {
					fakes[i] = &fakeMember{}
					fleet[i] = newConnection(t, Options{Cluster: fmt.Sprint(i), REST: fakes[i].rest(), Config: config, Pace: pace})
					wg.Go(func() { _ = fleet[i].Run(ctx) })
				}
				time.Sleep(10 * time.Minute) // the reconnects are no flapping
				down := time.Now()
				for i, f := range fakes {
					if cut > 0 {
						f.set(refused)
					}
					fleet[i].Report(acquireLive(t, fleet[i]), io.EOF)
				}
				time.Sleep(cut)
				for _, f := range fakes {
					f.set(nil)
				}
				time.Sleep(DefaultReconnectMax * 11 / 10)
				synctest.Wait()
				seconds := map[int]int{}
				late := 0
				for i, f := range fakes {
					if fleet[i].Status().State != member.Live {
						late++
					}
					for _, at := range f.times() {
						if at.Sub(down) >= time.Second {
							seconds[int(at.Sub(down)/time.Second)]++
						}
					}
				}
				worst := 0
				for _, dials := range seconds {
					worst = max(worst, dials)
				}
				if worst > members/20 {
					t.Errorf("%d of %d members dialed within a second", worst, members)
				}
				if late > 0 {
					t.Errorf("%d of %d members are not back", late, members)
				}
				cancel()
				wg.Wait()
			})
		})
	}
}

// acquireLive is acquire for a connection that must be live by now.
func acquireLive(t *testing.T, c *Connection) *member.Session {
	t.Helper()
	if c.Status().State != member.Live {
		t.Fatalf("%s: %+v", c.cluster, c.Status())
	}
	return acquire(t, c)
}
