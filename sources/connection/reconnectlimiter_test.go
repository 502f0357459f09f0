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

// line is how long the line is for a fleet, with the jitter of reachability probes.
func line(members int) time.Duration {
	return time.Duration(members)*time.Second/(leastDialing-1) + DefaultReachInterval/10
}

// TestHerd cuts a thousand members at once, as a proxy does that all are behind and that
// restarts. Whether the cut is over before backoff has spread their retries, or before the
// first probes have timed out, or long after: no second sees more than a twentieth of them
// dial, nor more than a hundred dials of whatever kind, and all are back as soon as that
// allows, which is one round of the line, and half a second of jitter before it.
func TestHerd(t *testing.T) {
	const members = 1000
	for name, down := range map[string]answer{"refused": refused, "black hole": silent} {
		for _, cut := range []time.Duration{0, time.Second, 3 * time.Second, 20 * time.Second, 5 * time.Minute} {
			t.Run(name+" for "+cut.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := cutOff(t, members, down, cut)
					if h.members > members/20 {
						t.Errorf("%d of %d members dialed within a second", h.members, members)
					}
					if h.dials > mostReaches {
						t.Errorf("%d dials within a second", h.dials)
					}
					if h.late > 0 || h.last > line(members) {
						t.Errorf("%d of %d members are not back, the last one of the others after %v, a round takes %v", h.late, members, h.last, line(members))
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
		for _, cut := range []time.Duration{0, time.Second, 3 * time.Second, 20 * time.Second, 2 * time.Minute} {
			t.Run(name+" for "+cut.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if h := cutOff(t, 250, down, cut); h.late > 0 || h.last > reachBound || h.dials > mostReaches {
						t.Errorf("%+v", h)
					}
				})
			})
		}
	}
}

// TestCutBesideADeadFleet: whoever is cut beside a thousand members that are down is asked at
// once. One that flaps is not, and holds up nobody for that.
func TestCutBesideADeadFleet(t *testing.T) {
	const dead = 1000
	synctest.Test(t, func(t *testing.T) {
		limiter := NewReconnectLimiter(0)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		join := func(name string, answer answer) (*Connection, *fakeMember) {
			m := &fakeMember{answer: answer}
			c := newConnection(t, Options{Cluster: name, REST: m.rest(), ReconnectLimiter: limiter})
			wg.Go(func() { _ = c.Run(ctx) })
			return c, m
		}
		well, _ := join("well", nil)
		time.Sleep(DefaultReconnectMax)
		s := acquireLive(t, well)
		for i := range dead {
			join(fmt.Sprint(i), refused)
		}
		time.Sleep(line(dead)) // the line is as long as it gets
		began := time.Now()
		well.Report(s, io.EOF)
		acquire(t, well)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("live after %v", waited)
		}
		well.Report(s, io.EOF)
		began = time.Now()
		acquire(t, well)
		if waited := time.Since(began); waited <= DefaultReconnectMin || waited > line(dead+1) {
			t.Errorf("cut again it is live after %v, want it to stand in the line", waited)
		}
		cancel()
		wg.Wait()
	})
}

// TestLine: those who go ahead of the line put it off, so that together they are no faster.
func TestLine(t *testing.T) {
	limiter, now := NewReconnectLimiter(0), time.Now()
	var line, ahead []place
	for range 500 {
		line = append(line, limiter.stand(now, false))
	}
	for range 500 {
		ahead = append(ahead, limiter.stand(now, true))
	}
	turns := map[time.Duration]int{} // in each second
	for i, all := range [][]place{ahead, line} {
		for n, p := range all {
			left := limiter.left(now, &p)
			if again := limiter.left(now, &p); again != left {
				t.Fatalf("it is %v until its turn, and then %v", left, again)
			}
			want := time.Duration(500*i+n) * time.Second / (leastDialing - 1)
			if i == 0 {
				want = time.Duration(n) * time.Second / (leastDialing - 1)
			}
			if diff := (left - want).Abs(); diff > time.Millisecond {
				t.Errorf("it is %v until the turn of %d, want %v", left, 500*i+n, want)
			}
			turns[left.Truncate(time.Second)]++
		}
	}
	for second, n := range turns {
		if n > leastDialing {
			t.Errorf("%d turns within a second after %v", n, second)
		}
	}
}

// herd is what a cut of a whole fleet has led to.
type herd struct {
	members, dials int           // in the worst second
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
			if !at.Before(began) {
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
