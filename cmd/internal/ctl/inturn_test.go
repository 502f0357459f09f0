package ctl

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("edge-%03d", i))
	}
	return names
}

// Answers are taken in order, however late they come, and one that is late holds up only that: the
// others are asked for meanwhile, so many at once and no more.
func TestInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, late := numbered(100), make(chan struct{})
		var mu sync.Mutex
		now, most, ended := 0, 0, 0
		ask := func(name string) (string, bool) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			if name == names[3] {
				<-late
			}
			mu.Lock()
			defer mu.Unlock()
			now, ended = now-1, ended+1
			return name, true
		}
		var taken []string
		over := make(chan int)
		go func() {
			over <- inTurn(t.Context(), names, ask, func(name, answer string) bool {
				if name != answer {
					t.Errorf("%s is told of %s", name, answer)
				}
				taken = append(taken, name)
				return true
			})
		}()
		synctest.Wait()
		if ended != 99 || len(taken) != 3 || most > mostAtOnce {
			t.Errorf("with one that is late, %d have ended and %d are taken; %d at once", ended, len(taken), most)
		}
		close(late)
		if asked := <-over; asked != 100 || !slices.Equal(taken, names) {
			t.Errorf("asked for %d, taken %q", asked, taken)
		}
	})
}

// What is under way when there is no point in going on is taken, and nothing else is asked for.
func TestInTurnThatIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, cut := numbered(100), make(chan struct{})
		asked, taken := 0, 0
		var mu sync.Mutex
		got := inTurn(t.Context(), names, func(name string) (error, bool) {
			mu.Lock()
			asked++
			mu.Unlock()
			if name > names[20] {
				<-cut
			}
			return nil, true
		}, func(name string, _ error) bool {
			if taken++; name != names[20] {
				return true
			}
			synctest.Wait() // all that may be under way are
			close(cut)
			return false
		})
		if want := 21 + mostAtOnce; got != want || asked != want || taken != want {
			t.Errorf("asked for %d, taken %d, told of %d; want %d", asked, taken, got, want)
		}
	})
}

// Who asks ends it, too: what comes later in the order is not asked for, although it is the first
// names that are waited for.
func TestInTurnThatIsCutByWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, late := numbered(100), make(chan struct{})
		var asked atomic.Int64
		over := make(chan int)
		taken := 0
		go func() {
			over <- inTurn(t.Context(), names, func(name string) (string, bool) {
				asked.Add(1)
				if name == names[0] {
					<-late
				}
				return name, name < names[20]
			}, func(string, string) bool { taken++; return true })
		}()
		synctest.Wait()
		close(late)
		if got := <-over; got != taken || int64(got) != asked.Load() || got < 21 || got > 20+mostAtOnce {
			t.Errorf("asked for %d, taken %d, told of %d", asked.Load(), taken, got)
		}
	})
}
