package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// checking is a batcher with a check under way, in a bubble.
type checking struct {
	*Batcher
	reg  *prometheus.Registry
	logs []string
	done atomic.Bool
}

func startCheck(t *testing.T, sink *fakeSink, check func(ctx context.Context, n int) error) *checking {
	t.Helper()
	c := &checking{reg: prometheus.NewPedanticRegistry()}
	metrics, err := NewMetrics(c.reg)
	if err != nil {
		t.Fatal(err)
	}
	log := funcr.New(func(_, args string) {
		args, _, _ = strings.Cut(args, ` "after"`)
		c.logs = append(c.logs, args)
	}, funcr.Options{})
	c.Batcher, _ = start(t, sink, Options{Metrics: metrics, Log: logr.New(log.GetSink())})
	n := 0
	go func() {
		c.Check(t.Context(), func(ctx context.Context) error {
			n++
			return check(ctx, n)
		})
		c.done.Store(true)
	}()
	synctest.Wait()
	return c
}

func (c *checking) up(t *testing.T) float64 {
	t.Helper()
	return gather(t, c.reg)["fairlead_sink_up"]
}

// A destination that is down is told of although there is nothing to write, each cause once,
// until a check succeeds.
func TestCheckIsTheHealthBeforeWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		c := startCheck(t, &fakeSink{}, func(_ context.Context, n int) error {
			calls = append(calls, time.Now())
			switch {
			case n < 5:
				return fmt.Errorf("connection from port %d: refused", 1000+n)
			case n < 20:
				return errors.New("wrong password")
			}
			return nil
		})
		began := time.Now()
		s := c.Status()
		if s.Healthy || s.LastError != "connection from port 1001: refused" || s.Attempts != 1 || !s.Since.Equal(began) || c.up(t) != 0 {
			t.Errorf("after the first check: %+v, up %v", s, c.up(t))
		}
		time.Sleep(20 * checkMax)
		synctest.Wait()
		if s := c.Status(); !s.Healthy || s.Attempts != 0 || s.LastError != "" || !s.NextRetry.IsZero() || c.up(t) != 1 || !c.done.Load() {
			t.Errorf("after a check that succeeded: %+v, up %v", s, c.up(t))
		}
		if len(calls) != 20 {
			t.Errorf("%d checks", len(calls))
		}
		long := false
		for i, at := range calls[1:] {
			wait := at.Sub(calls[i])
			if wait > checkMax || i == 0 && wait > checkMin {
				t.Errorf("check %d comes %v after the one before", i+2, wait)
			}
			long = long || wait > 4*checkMin
		}
		if !long {
			t.Errorf("the delays do not grow: %v", calls)
		}
		if diff := cmp.Diff([]string{
			`"msg"="The sink's destination is not ready; it is checked again, and tried with every write" "error"="connection from port 1001: refused" "sink"="test"`,
			`"msg"="The sink's destination is not ready; it is checked again, and tried with every write" "error"="wrong password" "sink"="test"`,
			`"level"=0 "msg"="Checked the sink's destination" "sink"="test" "failedChecks"=19`,
		}, c.logs); diff != "" {
			t.Errorf("logs (-want +got):\n%s", diff)
		}
	})
}

// Once a write has ended, checks say no more, and end: not one that succeeds after a write
// that failed, nor one that fails after a write that succeeded.
func TestWritesWinOverChecks(t *testing.T) {
	for name, down := range map[string]bool{"fails": true, "succeeds": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := make(chan error)
				sink := &fakeSink{answer: func(ctx context.Context, _ []string) error {
					if down {
						return errors.New("disk full")
					}
					return nil
				}}
				c := startCheck(t, sink, func(context.Context, int) error { return <-answer })
				answer <- errors.New("refused")
				synctest.Wait()
				if s := c.Status(); s.Healthy || s.LastError != "refused" || s.NextRetry.IsZero() {
					t.Errorf("before the write: %+v", s)
				}
				time.Sleep(2 * checkMin) // a check is under way
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { _ = c.Deliver(ctx, taken(t), change("a", 1)) }()
				synctest.Wait()
				if down {
					answer <- nil
				} else {
					answer <- errors.New("refused again")
				}
				synctest.Wait()
				s := c.Status()
				if s.Healthy == down || (s.LastError == "disk full") != down || (c.up(t) == 0) != down || !c.done.Load() {
					t.Errorf("after the write: %+v, up %v, the checks have ended: %v", s, c.up(t), c.done.Load())
				}
				if all := strings.Join(c.logs, "\n"); strings.Contains(all, "Checked") || strings.Contains(all, "refused again") || strings.Contains(all, "disk full") != down {
					t.Errorf("logs:\n%s", all)
				}
			})
		})
	}
}

// The first write waits for the first check, good or bad, but not for long.
func TestTheFirstWriteWaitsForTheFirstCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		takes time.Duration
		err   error
		want  time.Duration // until the write
	}{
		"good":  {2 * time.Second, nil, 2 * time.Second},
		"bad":   {2 * time.Second, errors.New("refused"), 2 * time.Second},
		"hangs": {time.Hour, nil, checkFirst},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b, _ := start(t, &fakeSink{}, Options{CheckFirst: true})
				go b.Check(t.Context(), func(ctx context.Context) error {
					select {
					case <-time.After(tt.takes):
					case <-ctx.Done():
					}
					return tt.err
				})
				for range 2 {
					if err := b.Deliver(t.Context(), taken(t), change("a", 1)); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); took != tt.want {
						t.Errorf("written after %v, want %v", took, tt.want)
					}
				}
			})
		})
	}
}

// Who ends Run while the first write waits for a check is not kept waiting.
func TestTheEndWaitsForNoCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, stop := start(t, &fakeSink{}, Options{CheckFirst: true})
		began := time.Now()
		stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// A write that ends while no check is under way ends the checks at once.
func TestAWriteEndsChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCheck(t, &fakeSink{}, func(context.Context, int) error { return errors.New("refused") })
		if err := c.Deliver(t.Context(), taken(t), change("a", 1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := c.Status(); !s.Healthy || !c.done.Load() || c.up(t) != 1 {
			t.Errorf("%+v, the checks have ended: %v", s, c.done.Load())
		}
	})
}

// The log tells of some causes as they come, then of one a minute. A cause that is remembered is
// not told again; one that others have taken the place of is.
func TestCausesAreBounded(t *testing.T) {
	h := health{healthy: true}
	now, told := time.Now(), 0
	cause := func(n int) error { return errors.New(strings.Repeat("x", n)) }
	for i := range 600 { // ten minutes
		if h.note(now.Add(time.Duration(i)*time.Second), cause(i)).happened {
			told++
		}
	}
	if want := mostCauses + 9; told != want {
		t.Errorf("%d causes are told, want %d", told, want)
	}
	if len(h.told) > mostCauses {
		t.Errorf("%d causes are kept", len(h.told))
	}
	now = now.Add(time.Hour)
	if !h.note(now, cause(1000)).happened {
		t.Error("a cause that appears an hour later is not told")
	}
	if h.note(now.Add(time.Hour), cause(1000)).happened {
		t.Error("a cause that lasts is told twice")
	}
	if !h.note(now.Add(2*time.Hour), cause(0)).happened {
		t.Error("a cause that is not remembered is not told")
	}
}
