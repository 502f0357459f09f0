package election

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// badLine delays, hangs up on and swallows requests and answers, in spells.
func badLine(r *rand.Rand) line {
	var spell time.Time
	bad := false
	return func(ctx context.Context, before bool) error {
		if now := time.Now(); now.After(spell) {
			spell, bad = now.Add(time.Duration(r.IntN(60))*time.Second), r.IntN(4) == 0
		}
		wait := time.Duration(r.IntN(200)) * time.Millisecond
		if bad {
			switch r.IntN(3) {
			case 0:
				return errors.New("refused") // before: never arrived; after: done, and nobody knows
			case 1:
				wait = time.Duration(r.IntN(20)) * time.Second
			}
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Three processes on bad lines, each of which is started again when it ends, and
// ends for no reason now and then. What one begins to do while it may lasts for
// up to the difference of lease duration and renew deadline; no two may ever be
// at it.
func TestNeverTwoAtOnce(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { neverTwoAtOnce(t, seed) })
		})
	}
}

func neverTwoAtOnce(t *testing.T, seed uint64) {
	const processes = 3
	h := &hub{}
	began := time.Now()
	over := began.Add(2 * time.Hour)
	var busy [processes]atomic.Int64 // until when; nanoseconds since began
	var terms, losses atomic.Int64
	done := make(chan struct{})
	for i := range processes {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		go func() {
			defer func() { done <- struct{}{} }()
			for n := 0; time.Now().Before(over); n++ {
				c := &client{hub: h, identity: fmt.Sprintf("%d_%d", i, n)}
				c.through(badLine(rand.New(rand.NewPCG(seed, r.Uint64()))))
				e, err := New(usual, c, discard)
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Duration(1+r.IntN(600))*time.Second))
				err = e.Run(ctx, func(ctx, _ context.Context) (bool, error) {
					terms.Add(1)
					for ctx.Err() == nil && e.MayAct() == nil {
						now := time.Now()
						act := time.Duration(r.Int64N(int64(usual.LeaseDuration - usual.RenewDeadline)))
						busy[i].Store(int64(now.Add(act).Sub(began)))
						for other := range processes {
							if other != i && busy[other].Load() > int64(now.Sub(began)) {
								t.Errorf("%v: %s acts while process %d does", now.Sub(began), c.identity, other)
							}
						}
						time.Sleep(act)
					}
					// Nothing runs any more, and the lease is released.
					return true, nil
				})
				cancel()
				if errors.Is(err, ErrLost) {
					losses.Add(1)
				} else if err != nil {
					t.Error(err)
				}
				time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond)
			}
		}()
	}
	for range processes {
		<-done
	}
	if terms.Load() < 10 || losses.Load() == 0 {
		t.Errorf("%d terms, %d of them lost: this tests little", terms.Load(), losses.Load())
	}
	t.Logf("%d terms, %d of them lost", terms.Load(), losses.Load())
}
