package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// heldHeap returns the bytes of all that is reachable.
func heldHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one leaves what pools held
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// peakHeap samples the heap, garbage included, until stop is called, which
// returns the highest of the samples.
func peakHeap() (stop func() int64) {
	quit, peak := make(chan struct{}), make(chan int64)
	go func() {
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var highest int64
		for {
			metrics.Read(sample)
			highest = max(highest, int64(sample[0].Value.Uint64()))
			select {
			case <-again.C:
			case <-quit:
				peak <- highest
				return
			}
		}
	}()
	return func() int64 { close(quit); return <-peak }
}

// BenchmarkHeapPerObject is what a program holds of each object that it knows,
// once all is quiet. Fairlead's part is the ledger, which is fed here without a
// server: nothing else that it holds grows with the objects. The caches of
// controller-runtime follow simulated members in another process. With three routes, as
// with three sinks, more-B/object is what each route beyond the first one takes.
func BenchmarkHeapPerObject(b *testing.B) {
	for _, objects := range []int{100_000, 1_000_000} {
		b.Run("objects="+strconv.Itoa(objects), func(b *testing.B) {
			b.Run("impl=fairlead", func(b *testing.B) { heapOfLedger(b, objects, 1) })
			b.Run("routes=3/impl=fairlead", func(b *testing.B) { heapOfLedger(b, objects, 3) })
			if objects > 100_000 {
				return // an unstructured cache of a million would hold 6 GB
			}
			b.Run("impl=cache-typed", func(b *testing.B) { heapOfCache(b, objects, &corev1.ConfigMap{}) })
			b.Run("impl=cache-unstructured", func(b *testing.B) {
				o := &unstructured.Unstructured{}
				o.SetGroupVersionKind(configMapKind)
				heapOfCache(b, objects, o)
			})
			b.Run("impl=cache-metadata", func(b *testing.B) {
				o := &metav1.PartialObjectMetadata{}
				o.SetGroupVersionKind(configMapKind)
				heapOfCache(b, objects, o)
			})
		})
	}
}

var configMapKind = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

func heapOfLedger(b *testing.B, objects, routes int) {
	var held int64
	for range b.N {
		held += heldByLedger(b, objects, routes)
	}
	reportPerObject(b, held, objects)
	if routes > 1 {
		more := held/int64(b.N) - heldByLedger(b, objects, 1)
		b.ReportMetric(float64(more)/float64(objects)/float64(routes-1), "more-B/object")
	}
}

// heldByLedger returns what a ledger holds of objects that the sinks of all routes have.
func heldByLedger(b *testing.B, objects, routes int) int64 {
	before := heldHeap()
	l, err := ledger.Open(b.Context(), ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	cursors := make([]*ledger.Cursor, routes)
	for i := range cursors {
		id := ledger.StreamID{Cluster: "bench", Resource: "configmaps"}
		if i > 0 {
			id.Route = fmt.Sprintf("route-%d", i)
		}
		cursors[i], _ = l.Claim(ledger.Claiming{ID: id})
		cursors[i].BeginSnapshot()
	}
	for i := range objects {
		name := ledger.Name{Namespace: fmt.Sprintf("ns-%02d", i%20), Name: fmt.Sprintf("object-%07d", i)}
		version := ledger.Version{UID: fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i), ResourceVersion: strconv.Itoa(i + 1)}
		var first ledger.Observation
		var like *ledger.Observation // a frame is told to all cursors, which share its name
		for _, cursor := range cursors {
			said := cursor.Observe(name, version, false, true, like)
			if like == nil {
				first, like = said, &first
			}
			cursor.Begin(said.Sequence, name, version, false)
			cursor.Ack(said.Sequence, name, version, false)
		}
	}
	for _, cursor := range cursors {
		_ = slices.Collect(cursor.EndSnapshot(strconv.Itoa(objects + 1)))
		cursor.Seen(strconv.Itoa(objects + 1))
	}
	held := heldHeap() - before
	runtime.KeepAlive(l)
	return held
}

func reportPerObject(b *testing.B, held int64, objects int) {
	b.ReportMetric(float64(held)/float64(b.N)/float64(objects), "B/object")
	b.ReportMetric(0, "ns/op")
}

func heapOfCache(b *testing.B, objects int, example client.Object) {
	var members membersReply
	startHelper(b, "members", simserver.Options{Objects: objects}).ask(membersRequest{}, &members)
	var held int64
	for range b.N {
		before := heldHeap()
		c, stop := startCache(b, members.config(0), example)
		held += heldHeap() - before
		stop()
		runtime.KeepAlive(c)
	}
	reportPerObject(b, held, objects)
}

// startCache runs a cache that holds all of some kinds of objects already.
func startCache(b testing.TB, config *rest.Config, examples ...client.Object) (ctrlcache.Cache, func()) {
	b.Helper()
	c, run := newCache(b, config)
	stop := run()
	for _, example := range examples {
		informer, err := c.GetInformer(b.Context(), example)
		if err != nil {
			b.Fatal(err)
		}
		until(b, "a cache to be filled", informer.HasSynced)
	}
	return c, stop
}

func newCache(b testing.TB, config *rest.Config) (_ ctrlcache.Cache, run func() (stop func())) {
	b.Helper()
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		b.Fatal(err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		b.Fatal(err)
	}
	c, err := ctrlcache.New(config, ctrlcache.Options{HTTPClient: httpClient, Mapper: mapper})
	if err != nil {
		b.Fatal(err)
	}
	return c, func() func() {
		stop := background(b, func(ctx context.Context) { _ = c.Start(ctx) }) // nil when it is asked to stop
		return func() { stop(); httpClient.CloseIdleConnections() }
	}
}

// BenchmarkSnapshotPeak is how far the heap, garbage included, rises above what
// it comes down to, while a program reads its first 100,000 objects, until its
// ledger has stored that they were accepted.
func BenchmarkSnapshotPeak(b *testing.B) {
	const objects = 100_000
	measure := func(b *testing.B, start func(config *rest.Config) follower) {
		var members membersReply
		startHelper(b, "members", simserver.Options{Objects: objects}).ask(membersRequest{}, &members)
		var peak int64
		for range b.N {
			heldHeap()
			stop := peakHeap()
			f := start(members.config(0))
			f.await(b, objects)
			if p, ok := f.(*program); ok {
				p.awaitAcked(b)
				<-time.After(2 * ledger.DefaultInterval) // it stores all, once an interval
			}
			highest := stop()
			peak += highest - heldHeap()
			f.end()
		}
		b.ReportMetric(float64(peak)/float64(b.N), "peak-B")
		b.ReportMetric(heapLimit, "limit-B")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("impl=fairlead", func(b *testing.B) {
		measure(b, func(config *rest.Config) follower { return startMember(b, config, nil) })
	})
	b.Run("impl=informer", func(b *testing.B) {
		measure(b, func(config *rest.Config) follower { return informers[0].start(b, config) })
	})
}

// startMember starts a program of one member, whose ledger is new.
func startMember(b *testing.B, config *rest.Config, sink pipeline.Sink) *program {
	return startProgram(b, programOptions{
		ledger: filepath.Join(b.TempDir(), "ledger"), sink: sink,
		members: []*rest.Config{config}, watches: []string{"configmaps"},
	})
}

// heapLimit is what a lane may hold, and 16 MiB for everything else.
const heapLimit = queue.DefaultLaneBytes + 16<<20
