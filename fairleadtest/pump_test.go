package fairleadtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A chunk passes exactly when its latency and the time for its bytes are over.
func TestUntilDue(t *testing.T) {
	data := make([]byte, 1000)
	for name, test := range map[string]struct {
		faults faults
		waited time.Duration // before its turn came
		want   time.Duration // after it was read
	}{
		"no fault":                  {faults{}, 0, 0},
		"no fault, behind others":   {faults{}, time.Second, time.Second},
		"latency":                   {faults{latency: 3 * time.Second}, 0, 3 * time.Second},
		"latency, behind others":    {faults{latency: 3 * time.Second}, time.Second, 3 * time.Second},
		"latency, long over":        {faults{latency: 3 * time.Second}, time.Minute, time.Minute},
		"rate":                      {faults{rate: 100}, 0, 10 * time.Second},
		"rate, behind others":       {faults{rate: 100}, time.Second, 11 * time.Second},
		"latency and rate":          {faults{latency: 3 * time.Second, rate: 100}, time.Second, 13 * time.Second},
		"latency over, then a rate": {faults{latency: 3 * time.Second, rate: 100}, time.Minute, time.Minute + 10*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine("")
				l.set(test.faults)
				read := time.Now()
				time.Sleep(test.waited)
				if err := l.untilDue(t.Context(), chunk{data, read}); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(read); got != test.want {
					t.Errorf("it passed %v after it was read, want %v", got, test.want)
				}
			})
		})
	}
}

func TestUntilDueEndsWithFaultAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine("")
		l.set(faults{stalled: true})
		ctx, cancel := context.WithCancel(t.Context())
		passed := make(chan error)
		wait := func() { passed <- l.untilDue(ctx, chunk{nil, time.Now()}) }

		go wait()
		time.Sleep(time.Hour)
		l.set(faults{latency: 2 * time.Hour})
		time.Sleep(time.Hour)
		if err := <-passed; err != nil {
			t.Errorf("after the stall and its latency: %v", err)
		}
		go wait()
		time.Sleep(time.Hour)
		cancel()
		if err := <-passed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the context has ended", err)
		}
	})
}
