package bench

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
)

// BenchmarkStalledSink is what a program does while its sink accepts nothing and
// its member goes on changing: how much more it holds when 1,000,000 updates of
// 20,000 objects were offered, and how much it has read since its lane was full.
// A simulated member offers them, because no real one could within seconds; like
// a real one, it cuts off who does not keep up. The informer's worker is stalled
// in the same way; nothing of it is ever full, so all that it reads counts.
func BenchmarkStalledSink(b *testing.B) {
	const objects, updates, steps, pause = 20_000, 1_000_000, 100, 100 * time.Millisecond
	// What start returns: stall stalls the sink, full tells whether that has come
	// to a standstill.
	measure := func(b *testing.B, start func(config *rest.Config, read *atomic.Int64) (stall func(), full func() bool, end func())) {
		helper := startHelper(b, "members", simserver.Options{Objects: objects, Window: objects})
		var members membersReply
		helper.ask(membersRequest{}, &members)
		var growth, socket int64
		for range b.N {
			var read atomic.Int64
			stall, full, end := start(countingDial(members.config(0), &read), &read)
			before := heldHeap()
			stall()
			var readWhenFull int64
			for step := range steps {
				helper.ask(membersRequest{Touch: updates / steps}, &members)
				if step == 0 {
					until(b, "the lane to be full", full)
					readWhenFull = read.Load()
				}
				<-time.After(pause) // for those who read
			}
			// Whoever still reads, reads it all.
			quiet(b, &read)
			growth += heldHeap() - before
			socket += read.Load() - readWhenFull
			end()
		}
		b.ReportMetric(float64(growth)/float64(b.N), "growth-B")
		b.ReportMetric(heapLimit, "limit-B")
		b.ReportMetric(float64(socket)/float64(b.N), "socket-B")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("impl=fairlead", func(b *testing.B) {
		measure(b, func(config *rest.Config, read *atomic.Int64) (func(), func() bool, func()) {
			sink := &stallingSink{}
			p := startMember(b, config, sink)
			p.await(b, objects)
			p.awaitAcked(b)
			resume := func() {}
			stall := func() { resume = sink.stall() }
			full := func() bool { return p.queue.Lanes()[0].BlockedOffers > 0 }
			return stall, full, func() { resume(); p.end() }
		})
	})
	b.Run("impl=informer", func(b *testing.B) {
		measure(b, func(config *rest.Config, read *atomic.Int64) (func(), func() bool, func()) {
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
			done := newTally()
			informer := cache.NewSharedIndexInformer(dynamicClient(b, config), informers[0].example, 0, cache.Indexers{})
			add := func(o any) {
				if m, ok := o.(metav1.Object); ok {
					q.Add(cache.NewObjectName(m.GetNamespace(), m.GetName()))
				}
			}
			if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, o any) { add(o) }}); err != nil {
				b.Fatal(err)
			}
			stop := background(b, informer.RunWithContext)
			var stalled atomic.Bool
			resumed := make(chan struct{})
			worker := background(b, func(context.Context) {
				for {
					key, shutdown := q.Get()
					if shutdown {
						return
					}
					if stalled.Load() {
						<-resumed
					}
					q.Done(key)
					done.add(1)
				}
			})
			done.await(b, objects)
			// It is never full: what it reads counts from the start.
			full := func() bool { return true }
			return func() { stalled.Store(true) }, full, func() { close(resumed); q.ShutDown(); stop(); worker() }
		})
	})
}

// quiet waits until nothing has been read for three seconds.
func quiet(b *testing.B, read *atomic.Int64) {
	last, since := read.Load(), time.Now()
	until(b, "the reading to end", func() bool {
		if now := read.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) >= 3*time.Second
	})
}

// countingDial counts what is read from the sockets of a configuration.
func countingDial(config *rest.Config, read *atomic.Int64) *rest.Config {
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{conn, read}, nil
	}
	return config
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
