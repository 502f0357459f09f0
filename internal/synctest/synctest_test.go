package synctest_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// TestTheRaceDetectorSurvives has many goroutines run timers that are due at the same time.
// With synctest.Test alone and the race detector, the process dies within a second.
func TestTheRaceDetectorSurvives(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	for range 20 {
		synctest.Test(t, func(*testing.T) {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					var n sync.Map
					for i := range 10 {
						first, second := time.NewTimer(time.Second), time.NewTimer(time.Second)
						<-first.C
						select {
						case <-second.C:
						default:
						}
						time.AfterFunc(time.Second, func() { n.Store(i, i) })
						time.Sleep(time.Second)
					}
				})
			}
			wg.Wait()
		})
	}
	if now := runtime.GOMAXPROCS(0); now != before {
		t.Errorf("GOMAXPROCS is %d, and was %d", now, before)
	}
}
