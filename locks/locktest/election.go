package locktest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// electionRules are those that show only with time, by client-go's elector.
var electionRules = []struct {
	name  string
	check func(testing.TB, New)
}{
	{"nobody leads early after a leader that is silent", silentStops},
	{"the leader's wall clock does not count", wrongClocks},
	{"a process that was killed, or stopped and goes on, acts no more", processesEnd},
}

// RunElection runs elections with client-go's elector: 200 leaders end without a word,
// of which 20 have wrong clocks. Processes of [Backend].Process are killed and stopped.
// It takes about 20 s, or longer with Backend.AtOnce.
//
// What is checked is what must hold however slow the machine is: no candidate begins
// to take the record before the lease duration is over since the predecessor began the
// last renewal that it knows of. That others lead in time is not checked, but that
// they do.
func RunElection(t *testing.T, backend New) {
	var mu sync.Mutex
	var free slots
	oneByOne := func(t testing.TB) Backend {
		mu.Lock()
		defer mu.Unlock()
		b := backend(t)
		if free == nil && b.AtOnce > 0 {
			free = make(slots, b.AtOnce)
		}
		b.slots = free
		return b
	}
	t.Run("elections", func(t *testing.T) {
		for _, r := range electionRules {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel() // they wait most of the time
				r.check(t, oneByOne)
			})
		}
	})
}

// slots bounds how many elections there are at a time; nil does not.
type slots chan struct{}

// take waits for n slots, and returns what gives them back.
func (s slots) take(n int) (giveBack func()) {
	if s == nil {
		return func() {}
	}
	for range n {
		s <- struct{}{}
	}
	return func() {
		for range n {
			<-s
		}
	}
}

// silentStops: renewals that look the same to those who watch, and backends that let
// records expire by clocks of their own, have another process lead early.
func silentStops(t testing.TB, backend New) {
	successions(t, backend, 36, 5, func(*rand.Rand) time.Duration { return 0 })
}

// wrongClocks: who watches counts by its own clock. Each leader's is another, and is
// set while it leads.
func wrongClocks(t testing.TB, backend New) {
	successions(t, backend, 10, 2, func(r *rand.Rand) time.Duration {
		return time.Duration(r.IntN(7)-3) * time.Hour / 2
	})
}

// successions runs elections on several records at once, in each of which a number of
// leaders end silently.
func successions(t testing.TB, backend New, records, stops int, clock func(*rand.Rand) time.Duration) {
	var wg sync.WaitGroup
	for n := range records {
		b, r := backend(t), rand.New(rand.NewPCG(uint64(n), 0))
		wg.Go(func() {
			defer b.slots.take(1)()
			if err := succession(t, b, stops, r, clock); err != nil {
				t.Errorf("record %d: %v", n, err)
			}
		})
	}
	wg.Wait()
}

func succession(t testing.TB, b Backend, stops int, r *rand.Rand, clock func(*rand.Rand) time.Duration) error {
	next := func(n int) (*candidate, error) {
		return stand(t, b.Open(t, fmt.Sprint("process-", n)))
	}
	leader, err := next(0)
	if err != nil {
		return err
	}
	defer func() { leader.silence() }()
	if !leader.awaitLead() {
		return fmt.Errorf("%q does not lead, and nobody else does", leader.Identity())
	}
	for n := range stops {
		follower, err := next(n + 1)
		if err != nil {
			return err
		}
		// Those who watch see several renewals, and the last at any point of a second.
		leader.setClock(clock(r))
		leader.awaitRenewals(2 + r.IntN(5))
		leader.setClock(clock(r))
		leader.awaitRenewals(4 + r.IntN(5))
		_ = retry.Sleep(t.Context(), time.Duration(r.Int64N(int64(retryPeriod))))
		leader.silence()
		before := leader
		leader = follower // to be silenced in any case
		if !follower.awaitLead() {
			return fmt.Errorf("%q does not lead, %v after its predecessor has ended", follower.Identity(), patience)
		}
		_, renewed, _, _ := before.state()
		took, _, _, _ := follower.state()
		if waited := took.Sub(renewed); waited < leaseDuration {
			return fmt.Errorf("%q takes the record %v after the last renewal by %q began, which holds it for %v", follower.Identity(), waited, before.Identity(), leaseDuration)
		}
	}
	return nil
}
