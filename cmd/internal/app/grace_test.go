package app

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// Parts that hang cost the program one grace, not one each, and those behind them
// still have a moment.
func TestPartsShareOneGrace(t *testing.T) {
	const parts = 7 // fleet, sources, manager, dead letters, sinks, ledger, files
	ended := make(chan struct{})
	close(ended)
	for name, test := range map[string]struct {
		hang, inTime []int
		late         time.Duration // zero: never
		want         time.Duration
	}{
		"none hangs":          {inTime: []int{0, 1, 2, 3, 4, 5, 6}},
		"a sink hangs":        {hang: []int{4, 6}, inTime: []int{0, 1, 2, 3, 5}, want: stopGrace + leastGrace},
		"all hang":            {hang: []int{0, 1, 2, 3, 4, 5, 6}, want: stopGrace + 6*leastGrace},
		"the lease is lost":   {hang: []int{0, 1, 3}, inTime: []int{2, 4, 5, 6}, late: time.Second, want: time.Second},
		"nothing hangs, late": {inTime: []int{0, 1, 2, 3, 4, 5, 6}, late: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				late := make(chan struct{})
				if test.late > 0 {
					defer time.AfterFunc(test.late, func() { close(late) }).Stop()
				}
				g := grace{left: stopGrace, late: late}
				var inTime []int
				began := time.Now()
				for i := range parts {
					end := (<-chan struct{})(ended)
					for _, h := range test.hang {
						if h == i {
							end = make(chan struct{})
						}
					}
					if g.await(end) {
						inTime = append(inTime, i)
					}
				}
				if took := time.Since(began); took != test.want {
					t.Errorf("took %v, want %v", took, test.want)
				}
				if len(inTime) != len(test.inTime) {
					t.Errorf("in time were %v, want %v", inTime, test.inTime)
				}
			})
		})
	}
	// A Pod has 30 s by default, and --drain-timeout is 20 s.
	if all := 20*time.Second + stopGrace + (parts-1)*leastGrace; all >= 30*time.Second {
		t.Errorf("the program may take %v to end", all)
	}
}
