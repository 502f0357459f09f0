package pipeline_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// benchQueue is what the queues have in common.
type benchQueue = workqueue.TypedRateLimitingInterface[pipeline.Request]

// queues are this package's queue, and beside it the ones that controllers
// use otherwise, on the same work.
var queues = []struct {
	name string
	make func() benchQueue
}{
	{"fairlead", func() benchQueue {
		return pipeline.FairRequests(nil, nil)("", workqueue.DefaultTypedControllerRateLimiter[pipeline.Request]())
	}},
	{"workqueue", func() benchQueue {
		return workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[pipeline.Request]())
	}},
	{"priorityqueue", func() benchQueue { return priorityqueue.New[pipeline.Request]("") }},
}

func requests(clusters, n int) []pipeline.Request {
	items := make([]pipeline.Request, n)
	for i := range items {
		items[i].Cluster = fmt.Sprintf("cluster-%d", i%clusters)
		items[i].Namespace = "default"
		items[i].Name = fmt.Sprintf("object-%d", i)
	}
	return items
}

func reportChanges(b *testing.B, n int) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "changes/s")
}

// BenchmarkQueue adds an item, gets one and is done with it, in one goroutine.
func BenchmarkQueue(b *testing.B) {
	for _, clusters := range []int{1, 1000} {
		for _, waiting := range []int{0, 100_000} {
			items := requests(clusters, waiting+10_000)
			for _, queue := range queues {
				b.Run(fmt.Sprintf("clusters=%d/waiting=%d/queue=%s", clusters, waiting, queue.name), func(b *testing.B) {
					q := queue.make()
					defer q.ShutDown()
					for _, item := range items[:waiting] {
						q.Add(item)
					}
					b.ReportAllocs()
					n := 0
					for b.Loop() {
						// As many others are added before one is added again.
						q.Add(items[(waiting+n)%len(items)])
						item, _ := q.Get()
						q.Done(item)
						n++
					}
					reportChanges(b, n)
				})
			}
		}
	}
}

// BenchmarkQueueWorkers has 16 workers take what one goroutine adds.
func BenchmarkQueueWorkers(b *testing.B) {
	items := requests(100, 10_000)
	for _, queue := range queues {
		b.Run("queue="+queue.name, func(b *testing.B) {
			q := queue.make()
			var workers sync.WaitGroup
			room := make(chan struct{}, 1000) // as many wait at most
			for range 16 {
				workers.Go(func() {
					for {
						item, shutdown := q.Get()
						if shutdown {
							return
						}
						q.Done(item)
						<-room
					}
				})
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				room <- struct{}{}
				q.Add(items[n%len(items)])
				n++
			}
			reportChanges(b, n)
			q.ShutDown()
			workers.Wait()
		})
	}
}

// BenchmarkOffer is the way a stream's changes go: by identity, with sizes.
func BenchmarkOffer(b *testing.B) {
	q := pipeline.NewQueue(pipeline.QueueOptions[*pipeline.Change, pipeline.Key]{
		Cluster:  func(c *pipeline.Change) string { return c.Key.Cluster },
		Identity: func(c *pipeline.Change) pipeline.Key { return c.Key },
		Size:     (*pipeline.Change).Size,
	})
	changes := make([]*pipeline.Change, 10_000)
	for i := range changes {
		changes[i] = &pipeline.Change{Key: pipeline.Key{
			Cluster: fmt.Sprintf("cluster-%d", i%100), Resource: "configmaps", Namespace: "default", Name: fmt.Sprintf("object-%d", i),
		}}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := q.Offer(b.Context(), changes[n%len(changes)], 0); err != nil {
			b.Fatal(err)
		}
		c, _ := q.Get()
		q.Done(c)
		n++
	}
	reportChanges(b, n)
}

// BenchmarkNoisyNeighbour has one cluster keep 10,000 items waiting while each
// of 100 quiet ones adds one now and then. It tells how long a quiet one's
// item waits if every item takes a worker no time at all: what remains is the
// queue's cost and the items that go before.
func BenchmarkNoisyNeighbour(b *testing.B) {
	noisy := requests(1, 10_000)
	quiet := requests(100, 100)
	for i := range quiet {
		quiet[i].Cluster = "quiet-" + quiet[i].Cluster
	}
	for _, queue := range queues {
		b.Run("queue="+queue.name, func(b *testing.B) {
			q := queue.make()
			defer q.ShutDown()
			for _, item := range noisy {
				q.Add(item)
			}
			b.ReportAllocs()
			var waits []time.Duration
			n, ahead := 0, 0
			for b.Loop() {
				want := quiet[len(waits)%len(quiet)]
				start := time.Now()
				q.Add(want)
				for {
					item, _ := q.Get()
					q.Done(item)
					n++
					if item == want {
						break
					}
					ahead++
					q.Add(item) // it changes all the time
				}
				waits = append(waits, time.Since(start))
			}
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)*99/100].Nanoseconds()), "p99-wait-ns")
			b.ReportMetric(float64(ahead)/float64(len(waits)), "items-ahead")
			reportChanges(b, n)
		})
	}
}
