package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// store is a sink that fails in every way a sink may, and keeps what it
// accepted.
type store struct {
	rand     *rand.Rand
	accepted map[string][]int // versions by name, in the order accepted
}

func (s *store) Write(ctx context.Context, batch []*pipeline.Change) error {
	time.Sleep(time.Duration(s.rand.IntN(20)) * time.Millisecond)
	switch s.rand.IntN(10) {
	case 0: // nothing written
		return errors.New("down")
	case 1: // all written, but we cannot know
		s.accept(batch)
		return pipeline.RetryAfter(errors.New("timeout"), time.Second)
	case 2, 3: // some written
		e := &pipeline.BatchError{Failed: map[int]error{}}
		failed := map[pipeline.Key]bool{}
		for i, c := range batch {
			if failed[c.Key] || s.rand.IntN(3) == 0 {
				failed[c.Key] = true
				e.Failed[i] = errors.New("conflict")
				continue
			}
			s.accept(batch[i : i+1])
		}
		if len(e.Failed) == 0 {
			return nil
		}
		return e
	case 4:
		return pipeline.Permanent(errors.New("one of them is bad, for now"))
	}
	s.accept(batch)
	return ctx.Err()
}

func (s *store) accept(batch []*pipeline.Change) {
	for _, c := range batch {
		v, _ := strconv.Atoi(c.ResourceVersion)
		s.accepted[c.Key.Name] = append(s.accepted[c.Key.Name], v)
	}
}

// TestNothingIsLostOrReordered lets workers deliver to a sink that fails at
// random, giving up on a delivery now and then.
func TestNothingIsLostOrReordered(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			sink := &store{rand: rand.New(rand.NewPCG(seed, 1)), accepted: map[string][]int{}}
			b, stop := start(t, sink, Options{MaxBatch: 1 + int(seed)*3, ReconnectMin: time.Millisecond, ReconnectMax: time.Second})
			const workers, versions = 8, 40
			var wg sync.WaitGroup
			for w := range workers {
				random := rand.New(rand.NewPCG(seed, uint64(w)+2))
				name := string(rune('a' + w))
				wg.Go(func() {
					for v := 0; v < versions; {
						// Two states of one key, as when a ghost goes first.
						ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(200)+1)*time.Millisecond)
						got := 0
						err := b.Deliver(ctx, func(i int, refused error) {
							if refused == nil && got == i {
								got++
							} else if refused == nil {
								t.Errorf("seed %d: %s: %d was accepted without the one before it", seed, name, v+1)
							}
						}, change(name, v), change(name, v+1))
						cancel()
						if err == nil && got == 2 {
							v += 2
						} else if random.IntN(2) == 0 {
							time.Sleep(time.Millisecond)
						}
					}
				})
			}
			wg.Wait()
			stop()
			if s := b.Status(); s.Waiting != 0 {
				t.Errorf("%d still wait", s.Waiting)
			}
			for name, got := range sink.accepted {
				// Repeats go back at most to the pair that was being
				// delivered, never behind one that was accepted.
				seen := map[int]bool{}
				high := 0
				for _, v := range got {
					seen[v] = true
					if v/2 < high/2 {
						t.Fatalf("seed %d: %s went back from %d to %d", seed, name, high, v)
					}
					high = max(high, v)
				}
				if len(seen) != versions || got[len(got)-1] != versions-1 {
					t.Errorf("seed %d: %s: %d versions, the last %d", seed, name, len(seen), got[len(got)-1])
				}
			}
			if len(sink.accepted) != workers {
				t.Errorf("seed %d: %d keys", seed, len(sink.accepted))
			}
		})
	}
}
