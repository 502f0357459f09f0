package queue_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// benchQueue is what the queues have in common.
type benchQueue = workqueue.TypedRateLimitingInterface[queue.Request]

// queues are this package's queue, and beside it the ones that controllers
// use otherwise, on the same work: items of the same type, deduplicated by all
// that they are. Ours counts by cluster besides; the others know none.
var queues = []struct {
	name string
	make func() benchQueue
}{
	{"fairlead", func() benchQueue {
		return queue.FairRequests(nil, 0, nil)("", workqueue.DefaultTypedControllerRateLimiter[queue.Request]())
	}},
	{"workqueue", func() benchQueue {
		return workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[queue.Request]())
	}},
	{"priorityqueue", func() benchQueue { return priorityqueue.New[queue.Request]("") }},
}

// requests returns n different requests, spread over the clusters. All of one
// cluster share its name, as those of a source do.
func requests(clusters, n int) []queue.Request {
	names := make([]string, clusters)
	for i := range names {
		names[i] = fmt.Sprintf("cluster-%d", i)
	}
	items := make([]queue.Request, n)
	for i := range items {
		items[i].Cluster = names[i%clusters]
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
				b.Run(fmt.Sprintf("clusters=%d/waiting=%d/impl=%s", clusters, waiting, queue.name), func(b *testing.B) {
					q := queue.make()
					defer q.ShutDown()
					for _, item := range items[:waiting] {
						q.Add(item)
					}
					for q.Len() < waiting { // one of them takes items in by and by
						runtime.Gosched()
					}
					n := 0
					cycle := func() {
						// As many others are added before one is added again.
						q.Add(items[(waiting+n)%len(items)])
						item, _ := q.Get()
						q.Done(item)
						n++
					}
					for range len(items) { // what is made once, is there
						cycle()
					}
					b.ReportAllocs()
					n = 0
					for b.Loop() {
						cycle()
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
		b.Run("impl="+queue.name, func(b *testing.B) {
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
