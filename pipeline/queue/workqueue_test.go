package queue_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// The contract of client-go's work queues, as its own tests have it.

var shutDowns = map[string]func(workqueue.TypedInterface[string]){
	"ShutDown":          workqueue.TypedInterface[string].ShutDown,
	"ShutDownWithDrain": workqueue.TypedInterface[string].ShutDownWithDrain,
}

func TestWorkQueueProducersAndConsumers(t *testing.T) {
	for name, shutDown := range shutDowns {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(queue.Options[string, string]{})
				var producers, consumers sync.WaitGroup
				for i := range 50 {
					producers.Go(func() {
						for range 50 {
							q.Add(string(rune('A' + i)))
							time.Sleep(time.Millisecond)
						}
					})
				}
				var mu sync.Mutex
				seen := make(map[string]int)
				for range 10 {
					consumers.Go(func() {
						for {
							item, quit := q.Get()
							if quit {
								return
							}
							mu.Lock()
							seen[item]++
							mu.Unlock()
							time.Sleep(3 * time.Millisecond)
							q.Done(item)
						}
					})
				}
				producers.Wait()
				shutDown(q)
				q.Add("added after shutdown")
				consumers.Wait()
				if n := q.Len(); n != 0 {
					t.Errorf("%d items left", n)
				}
				if len(seen) != 50 || seen["added after shutdown"] > 0 {
					t.Errorf("worked on %v", seen)
				}
			})
		})
	}
}

func TestWorkQueueAddWhileInWork(t *testing.T) {
	for name, shutDown := range shutDowns {
		t.Run(name, func(t *testing.T) {
			q := newNameQueue(queue.Options[string, string]{})
			var producers, consumers sync.WaitGroup
			for i := range 50 {
				producers.Go(func() { q.Add(string(rune('A' + i))) })
			}
			for range 10 {
				consumers.Go(func() {
					times := make(map[string]int)
					for {
						item, quit := q.Get()
						if quit {
							return
						}
						if times[item]++; times[item] < 2 {
							q.Add(item)
						}
						q.Done(item)
					}
				})
			}
			producers.Wait()
			shutDown(q)
			consumers.Wait()
			if n := q.Len(); n != 0 {
				t.Errorf("%d items left", n)
			}
		})
	}
}

func TestWorkQueueLen(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	for i, item := range []string{"foo", "bar", "foo"} {
		q.Add(item)
		if got, want := q.Len(), min(i+1, 2); got != want {
			t.Errorf("Len() = %d after %d adds, want %d", got, i+1, want)
		}
	}
}

func TestWorkQueueReAddAfterDone(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.Add("foo")
	item, _ := q.Get()
	q.Add(item)
	if n := q.Len(); n != 0 {
		t.Errorf("%d items could be handed out while the only one is in work", n)
	}
	q.Done(item)
	equal(t, "second time", take(t, q, 1), []string{"foo"})
	if n := q.Len(); n != 0 {
		t.Errorf("%d items left", n)
	}
}

func TestWorkQueueCollapsesWhileInWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.Add("foo")
		item, _ := q.Get()
		q.Add("foo")
		q.Add("foo")
		second := make(chan string, 1)
		go func() {
			item, _ := q.Get()
			q.Done(item)
			second <- item
		}()
		synctest.Wait()
		if len(second) > 0 {
			t.Fatal("one identity was in two workers at once")
		}
		q.Done(item)
		if got := <-second; got != "foo" {
			t.Errorf("got %q", got)
		}
		if n := q.Len(); n != 0 {
			t.Errorf("%d items left", n)
		}
	})
}

func TestWorkQueueDoneOfWhatIsNotInWork(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.Done("never seen")
	q.Add("foo")
	q.Done("foo")
	equal(t, "items", take(t, q, 1), []string{"foo"})
	q.Done("foo")
	if s := lane(q, "foo"); s.InFlight != 0 || s.HandedOut != 1 {
		t.Errorf("stats %+v", s)
	}
}

// untilShutdown gets until the queue says that it shuts down, as its callers
// do to know that a drain has begun.
func untilShutdown(q *queue.Queue[string, string]) {
	for {
		if _, shutdown := q.Get(); shutdown {
			return
		}
	}
}

func TestWorkQueueDrainWaitsForDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.Add("foo")
		q.Add("bar")
		first, _ := q.Get()
		second, _ := q.Get()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			q.ShutDownWithDrain()
		}()
		synctest.Wait()
		untilShutdown(q)
		q.Done(first)
		synctest.Wait()
		select {
		case <-drained:
			t.Error("drained with an item in work")
		default:
		}
		q.Done(second)
		<-drained
	})
}

func TestWorkQueueDrainWaitsForWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.Add("foo")
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			q.ShutDownWithDrain()
		}()
		synctest.Wait()
		select {
		case <-drained:
			t.Error("drained with an item waiting")
		default:
		}
		equal(t, "drained items", take(t, q, 1), []string{"foo"})
		<-drained
	})
}

func TestWorkQueueShutDownDoesNotWait(t *testing.T) {
	q := newNameQueue(queue.Options[string, string]{})
	q.Add("foo")
	q.Get()
	q.ShutDown()
	q.ShutDown()
	if !q.ShuttingDown() {
		t.Error("not shutting down")
	}
}

func TestWorkQueueShutDownEndsDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.Add("foo")
		q.Get()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			q.ShutDownWithDrain()
		}()
		synctest.Wait()
		untilShutdown(q)
		q.ShutDown()
		<-drained
	})
}

func TestWorkQueueDrainWithNewerItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newNameQueue(queue.Options[string, string]{})
		q.Add("foo")
		item, _ := q.Get()
		q.Add("foo")
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			q.ShutDownWithDrain()
		}()
		synctest.Wait()
		untilShutdown(q)
		q.Done(item)
		again, shutdown := q.Get()
		if shutdown {
			t.Fatal("the newer item was not handed out")
		}
		q.Done(again)
		untilShutdown(q)
		<-drained
	})
}

func TestWorkQueueShutDownWakesWorkers(t *testing.T) {
	for name, shutDown := range shutDowns {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newNameQueue(queue.Options[string, string]{})
				var workers sync.WaitGroup
				for range 3 {
					workers.Go(func() { untilShutdown(q) })
				}
				synctest.Wait()
				shutDown(q)
				workers.Wait()
			})
		})
	}
}

// Nothing that has been worked on is kept alive by the queue.
func TestWorkQueueGarbageCollection(t *testing.T) {
	type object struct{ _ [1 << 10]byte }
	q := queue.New(queue.Options[*object, *object]{
		Cluster:  func(*object) string { return "" },
		Identity: func(o *object) *object { return o },
	})
	collected := make(chan struct{})
	func() {
		o := &object{}
		runtime.AddCleanup(o, func(c chan struct{}) { close(c) }, collected)
		q.Add(o)
		got, _ := q.Get()
		q.AddAfter(got, time.Hour)
		q.Add(got)
		q.Done(got)
		got, _ = q.Get()
		q.Done(got)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
			runtime.KeepAlive(q)
			return
		default:
			runtime.Gosched()
		}
	}
	t.Error("an item that was done is still held")
}
