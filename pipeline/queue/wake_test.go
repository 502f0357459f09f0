package queue

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// No worker sleeps while there is something that it could have, whatever made
// it ready, and all end when the queue does.
func TestNoWakeUpIsLost(t *testing.T) {
	type item struct{ cluster, id int }
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 9))
			name := func(n int) string { return string(rune('a' + n)) }
			q := New(Options[item, item]{
				Cluster:      func(i item) string { return name(i.cluster) },
				Buckets:      ratelimit.New(ratelimit.Limit{}),
				LaneCapacity: 20,
				MaxInFlight:  4,
			})
			var all sync.WaitGroup
			for n := range 6 {
				all.Go(func() {
					random := rand.New(rand.NewPCG(seed, uint64(n)))
					work := func(i item) {
						time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
						if random.IntN(5) == 0 {
							q.AddRateLimited(i)
						} else {
							q.Forget(i)
						}
						q.Done(i)
					}
					for {
						var got []item
						var shutdown bool
						if n%2 == 0 {
							i, down := q.Get()
							got, shutdown = append(got, i), down
						} else {
							most := func(int) int { return 1 + random.IntN(5) }
							take := func(i item, _ int) { got = append(got, i) }
							if _, shutdown = q.GetBatch(most, 1, take); n == 1 && !shutdown {
								q.GetMore(time.Duration(random.IntN(30))*time.Millisecond, 2, 2, take)
							}
						}
						if shutdown {
							return
						}
						for _, i := range got {
							work(i)
						}
					}
				})
			}
			ctx, cancel := context.WithCancel(t.Context())
			rested := 0
			for range 2000 {
				switch random.IntN(20) {
				case 0:
					q.SetMaxInFlight(random.IntN(5))
				case 1:
					q.SetLimit(name(random.IntN(4)), ratelimit.Limit{QPS: float64(random.IntN(3) * 50), Burst: 2})
				case 2:
					cluster := name(random.IntN(4))
					all.Go(func() { _ = q.RemoveCluster(ctx, cluster) })
				case 3:
					q.AddAfter(item{random.IntN(4), random.IntN(30)}, time.Duration(random.IntN(30))*time.Millisecond)
				case 4:
					i := item{random.IntN(4), random.IntN(30)}
					all.Go(func() { _ = q.Offer(ctx, i, -1) })
				default:
					q.AddWithOpts(priorityqueue.AddOpts{Priority: new(random.IntN(2) - 1)}, item{random.IntN(4), random.IntN(30)})
				}
				if random.IntN(3) > 0 {
					continue
				}
				time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond)
				synctest.Wait()
				q.mu.Lock()
				asleep, woken, ready := q.asleep, q.woken, q.ring.N
				q.mu.Unlock()
				if asleep > 0 {
					rested++
				}
				if woken != 0 || asleep > 0 && ready > 0 {
					t.Errorf("seed %d: %d workers sleep while %d lanes have something, %d are about to wake up", seed, asleep, ready, woken)
					break
				}
			}
			if rested == 0 {
				t.Error("workers have never slept")
			}
			switch seed % 3 {
			case 0:
				q.ShutDown()
			case 1:
				q.ShutDownWithDrain()
			default:
				if left := q.Stop(ctx); left < 0 {
					t.Errorf("%d left", left)
				}
			}
			cancel()
			all.Wait()
		})
	}
}
