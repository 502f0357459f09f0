package tcpline

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// A chunk passes exactly when its latency and the time for its bytes are over.
func TestUntilDue(t *testing.T) {
	data := make([]byte, 1000)
	for name, test := range map[string]struct {
		faults Faults
		waited time.Duration // before its turn came
		want   time.Duration // after it was read
	}{
		"no fault":                  {Faults{}, 0, 0},
		"no fault, behind others":   {Faults{}, time.Second, time.Second},
		"latency":                   {Faults{Latency: 3 * time.Second}, 0, 3 * time.Second},
		"latency, behind others":    {Faults{Latency: 3 * time.Second}, time.Second, 3 * time.Second},
		"latency, long over":        {Faults{Latency: 3 * time.Second}, time.Minute, time.Minute},
		"rate":                      {Faults{Rate: 100}, 0, 10 * time.Second},
		"rate, behind others":       {Faults{Rate: 100}, time.Second, 11 * time.Second},
		"latency and rate":          {Faults{Latency: 3 * time.Second, Rate: 100}, time.Second, 13 * time.Second},
		"latency over, then a rate": {Faults{Latency: 3 * time.Second, Rate: 100}, time.Minute, time.Minute + 10*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := New("")
				l.Set(test.faults)
				read := time.Now()
				time.Sleep(test.waited)
				if err := l.untilDue(t.Context(), chunk{data, read}, false); err != nil {
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
		l := New("")
		l.Set(Faults{Stalled: true})
		ctx, cancel := context.WithCancel(t.Context())
		passed := make(chan error)
		wait := func() { passed <- l.untilDue(ctx, chunk{nil, time.Now()}, false) }

		go wait()
		time.Sleep(time.Hour)
		l.Set(Faults{Latency: 2 * time.Hour})
		time.Sleep(time.Hour)
		if err := <-passed; err != nil {
			t.Errorf("after the stall and its Latency: %v", err)
		}
		go wait()
		time.Sleep(time.Hour)
		cancel()
		if err := <-passed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the context has ended", err)
		}
	})
}

// Questions pass a line that is mute, and their answers wait.
func TestMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New("")
		l.Set(Faults{Mute: true})
		if err := l.untilDue(t.Context(), chunk{nil, time.Now()}, false); err != nil {
			t.Fatal(err)
		}
		passed := make(chan error, 1)
		go func() { passed <- l.untilDue(t.Context(), chunk{nil, time.Now()}, true) }()
		synctest.Wait()
		if len(passed) > 0 {
			t.Error("an answer passes")
		}
		l.Set(Faults{})
		if err := <-passed; err != nil {
			t.Error(err)
		}
	})
}
