package connection

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// reachBound is how long after its outage a member is live again at the latest.
const reachBound = 6 * time.Second

// dials returns when probes and reachability probes began, in order.
func (f *fakeMember) dials() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Concat(f.probes, f.reaches)
	slices.SortFunc(all, time.Time.Compare)
	return all
}

func (f *fakeMember) asked() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.reaches)
}

// reset is a server that is cut off within a request.
func reset(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// TestLiveSoonAfterAnOutage: it does not matter how long it lasted, or how.
func TestLiveSoonAfterAnOutage(t *testing.T) {
	for name, down := range map[string]answer{"refused": refused, "black hole": silent, "reset": reset} {
		for _, cut := range []time.Duration{3 * time.Second, 20 * time.Second, 2 * time.Minute, 10 * time.Minute} {
			t.Run(fmt.Sprint(name, " for ", cut), func(t *testing.T) {
				for range 30 {
					bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
						s := acquire(t, c)
						time.Sleep(10 * time.Minute)
						m.set(down)
						c.Report(s, io.EOF)
						time.Sleep(cut + rand.N(time.Second))
						m.set(nil)
						time.Sleep(reachBound)
						wantState(t, c, member.Live)
						if acquire(t, c) != s {
							t.Error("another session")
						}
					})
				}
			})
		}
	}
}

// TestSilentMemberIsDialedSlowly: once a reachability probe has found nobody, there
// are five seconds between two dials of whatever kind; the first retries only are
// sooner. A member that stays away is asked less and less, but not for ever less.
func TestSilentMemberIsDialedSlowly(t *testing.T) {
	for name, down := range map[string]answer{"refused": refused, "black hole": silent} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, Options{}, down, func(t *testing.T, c *Connection, m *fakeMember) {
				const day = 24 * time.Hour
				began := time.Now()
				time.Sleep(day)
				synctest.Wait()
				dials, first := m.dials(), m.asked()[0]
				for i, at := range dials[1:] {
					gap, lasted := at.Sub(dials[i]), at.Sub(began)
					most := max(DefaultReachInterval, min(lasted/longOutage, DefaultReconnectMax)) * 11 / 10
					if at.After(first) && gap < DefaultReachInterval || gap > most+time.Millisecond {
						t.Fatalf("dials %v apart %v after the first", gap, lasted)
					}
				}
				s := c.Status()
				if n := s.ReachabilityProbes[reachUnanswered]; n != uint64(len(m.asked())) || s.ReachabilityProbes[reachAnswered] != 0 {
					t.Errorf("%d reachability probes, counted %v", len(m.asked()), s.ReachabilityProbes)
				}
			})
		})
	}
}

// TestNobodyIsAskedInVain: neither members that are well, or are not to be dialed,
// nor those that answer and refuse, which keep to their backoff.
func TestNobodyIsAskedInVain(t *testing.T) {
	untrusted := func(*http.Request) (*http.Response, error) {
		return nil, errors.New("tls: failed to verify certificate")
	}
	for name, how := range map[string]struct {
		answer answer
		then   func(c *Connection)
	}{
		"live":         {answer: healthy(uidA)},
		"paused":       {answer: healthy(uidA), then: (*Connection).Pause},
		"unavailable":  {answer: gateway(503)},
		"throttled":    {answer: status(429, "TooManyRequests")},
		"unauthorized": {answer: gateway(401)},
		"no API":       {answer: text(200, `{}`)},
		"untrusted":    {answer: untrusted},
		"starting":     {answer: starting},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, Options{}, how.answer, func(t *testing.T, c *Connection, m *fakeMember) {
				dialed(c)
				if how.then != nil {
					how.then(c)
				}
				time.Sleep(time.Hour)
				if n := len(m.asked()); n > 0 {
					t.Errorf("asked %d times", n)
				}
				// Full jitter of up to a minute, or half of one, or what it asks for.
				if n := m.probed(); n > 200 {
					t.Errorf("%d probes in an hour", n)
				}
			})
		})
	}
}

// TestPauseEndsReachabilityProbes: also the one under way.
func TestPauseEndsReachabilityProbes(t *testing.T) {
	bubbleWith(t, Options{}, silent, func(t *testing.T, c *Connection, m *fakeMember) {
		time.Sleep(DefaultReachInterval*11/10 + time.Second)
		synctest.Wait()
		c.mu.Lock()
		underWay := c.reach.stop != nil
		c.mu.Unlock()
		if !underWay {
			t.Fatal("none is under way")
		}
		c.Pause()
		time.Sleep(time.Hour)
		if n := len(m.asked()); n != 1 || len(c.Status().ReachabilityProbes) != 0 {
			t.Errorf("%d, counted %v", n, c.Status().ReachabilityProbes)
		}
		m.set(nil)
		c.Resume()
		acquire(t, c)
	})
}

// TestAnswersButFails: a member that answers whoever asks whether it does, and
// nothing else, gets one probe more, and is then left to backoff.
func TestAnswersButFails(t *testing.T) {
	for name, down := range map[string]answer{"refused": refused, "black hole": silent} {
		t.Run(name, func(t *testing.T) {
			half := by(down, healthy(uidA))
			config := Config{ReconnectMin: time.Minute}
			bubbleWith(t, Options{Config: config}, half, func(t *testing.T, c *Connection, m *fakeMember) {
				time.Sleep(24 * time.Hour)
				s := c.Status()
				// Every one by backoff is followed by one reachability probe.
				if probes, asked := m.probed(), len(m.asked()); asked > probes+1 || probes > 3000 {
					t.Errorf("%d probes, %d reachability probes in a day", probes, asked)
				}
				if s.State != member.BackingOff {
					t.Errorf("status %+v", s)
				}
				// It still is noticed when it has been away.
				m.set(down)
				time.Sleep(10 * time.Minute)
				m.set(nil)
				time.Sleep(reachBound)
				wantState(t, c, member.Live)
			})
		})
	}
}

// TestSlowProbe: of a server that answers, but is slow, nobody can tell whether the probe still
// waits for what was lost. So it is asked once more, and then left alone.
func TestSlowProbe(t *testing.T) {
	const takes = 20 * time.Second
	slow := func(req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(takes):
			return healthy(uidA)(req)
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		s := acquire(t, c)
		time.Sleep(DefaultReconnectMin)
		m.set(by(slow, healthy(uidA)))
		c.Report(s, io.EOF)
		time.Sleep(DefaultReachInterval*11/10 + takes)
		wantState(t, c, member.Live)
		if m.probed() != 3 || len(m.asked()) != 1 || m.most != 1 {
			t.Errorf("%d probes, %d at once, %d reachability probes", m.probed(), m.most, len(m.asked()))
		}
	})
}

// TestSlowHandshake: a member that is too far away for a reachability probe is
// still found by probes.
func TestSlowHandshake(t *testing.T) {
	bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
		s := acquire(t, c)
		m.set(refused)
		m.slow(10 * time.Second)
		c.Report(s, io.EOF)
		time.Sleep(time.Minute)
		m.set(nil)
		time.Sleep(2*DefaultReconnectMax + 20*time.Second)
		wantState(t, c, member.Live)
		if c.Status().ReachabilityProbes[reachAnswered] != 0 {
			t.Errorf("status %+v", c.Status())
		}
	})
}

// TestComingBackIsNotReady: a server that comes up is not ready at first. That is
// looked at again soon, once.
func TestComingBackIsNotReady(t *testing.T) {
	for range 20 {
		bubble(t, Config{}, func(t *testing.T, c *Connection, m *fakeMember) {
			s := acquire(t, c)
			m.set(refused)
			c.Report(s, io.EOF)
			time.Sleep(10 * time.Minute)
			var seen atomic.Int64
			m.set(func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("Authorization") != "" {
					seen.Add(1)
				}
				return starting(req)
			})
			for seen.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			wantState(t, c, member.BackingOff) // and not live, with streams that are forbidden everything
			m.set(nil)
			time.Sleep(DefaultReachInterval)
			wantState(t, c, member.Live)
		})
	}
}
