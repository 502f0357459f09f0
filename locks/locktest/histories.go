package locktest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/locks"
)

// RunHistories has three processes lead in turns over bad lines, each of which is
// started again when it ends, and writes down what they do to a sink that refuses lower
// terms. The histories, one for each seed, are checked to be ones of processes that
// lead one at a time, in terms that grow: also over the deletion of the record while
// all of them are down. The locks have to be locks.Fenced. It takes about eight seconds.
//
// Linearizability is checked by porcupine (github.com/anishathalye/porcupine).
func RunHistories(t *testing.T, backend New, seeds int) {
	var wg sync.WaitGroup
	for seed := range seeds {
		b := backend(t)
		wg.Go(func() { history(t, b, uint64(seed)) })
	}
	wg.Wait()
}

// processes is how many take part; a round of theirs lasts until there were so many
// terms, and a minimum of time.
const (
	processes     = 3
	termsOfARound = 2
	round         = 1500 * time.Millisecond
)

// history runs the processes, twice: between the rounds nobody runs, and the record is
// deleted.
func history(t testing.TB, b Backend, seed uint64) {
	if l := b.Open(t, "looks"); !isFenced(l) {
		t.Errorf("%T gives no fencing tokens", l)
		return
	}
	s := &sink{}
	for i := range 2 {
		if i > 0 && b.Delete != nil {
			b.Delete(t)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for p := range processes {
			r := rand.New(rand.NewPCG(seed, uint64(i*processes+p)))
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					live(ctx, t, b, fmt.Sprintf("%d-%d-%d", i, p, n), s, rand.New(rand.NewPCG(r.Uint64(), 0)))
					_ = retry.Sleep(ctx, time.Duration(r.Int64N(int64(retryPeriod))))
				}
			})
		}
		want := s.begun() + termsOfARound
		err := retry.Sleep(ctx, round)
		for waited := round; err == nil && s.begun() < want && waited < patience; waited += retryPeriod {
			err = retry.Sleep(ctx, retryPeriod)
		}
		cancel()
		wg.Wait()
		if got := s.begun(); got < want {
			t.Errorf("history %d: %d terms, want at least %d: this tests little", seed, got, want)
		}
	}
	s.check(t)
	t.Logf("history %d: %d requests in %d terms", seed, len(s.history), s.begun())
}

// live is the life of one process: it leads if it can, acts, and ends in one of the
// ways in which processes end.
func live(ctx context.Context, t testing.TB, b Backend, identity string, s *sink, r *rand.Rand) {
	l := b.Open(t, identity)
	connect(ctx, l)
	line := &badLine{observed: observe(l), r: rand.New(rand.NewPCG(r.Uint64(), 0))}
	tokens := line.Interface.(locks.Fenced) // history has looked
	e, err := election.New(timing, fencedLock{line, tokens}, logr.Discard())
	if err != nil {
		t.Errorf("%q: %v", identity, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Int64N(int64(2*leaseDuration))))
	defer cancel()
	killed := r.IntN(3) == 0
	// How it ends is of no matter: it may lose the record, or call in vain on a slow
	// machine. What it has done is in the history.
	_ = e.Run(ctx, func(ctx, _ context.Context) (bool, error) {
		do := func(what deed) bool { return line.request(s, request{what, identity, e.Token()}) }
		if may := e.MayAct() == nil; !may || !do(begins) {
			return !killed, nil
		}
		for ctx.Err() == nil && e.MayAct() == nil {
			if r.IntN(100) == 0 {
				line.stop(time.Duration(r.Int64N(int64(2 * leaseDuration)))) // between question and act
			}
			do(acts)
			_ = retry.Sleep(ctx, time.Duration(r.Int64N(int64(20*time.Millisecond))))
		}
		if may := e.MayAct() == nil; killed || !may {
			return false, nil
		}
		do(ends)
		return true, nil
	})
}
