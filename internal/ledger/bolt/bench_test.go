package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// uuid returns a random one.
func uuid(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

func podName(r *rand.Rand, i int) ledger.Name {
	return ledger.Name{
		Namespace: fmt.Sprintf("tenant-%03d-production", i%300),
		Name: fmt.Sprintf("team-%d-%s-%09x-%05x", i%37, "checkout-frontend-api-gateway-worker"[:1+r.IntN(36)],
			r.Uint64()&0xfffffffff, r.Uint64()&0xfffff),
	}
}

// filled makes a ledger of n objects at path, through the ledger itself.
func filled(b testing.TB, path string, n int) {
	b.Helper()
	s := mustOpen(b, path)
	l, err := ledger.Open(b.Context(), ledger.Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	l.Join("a")
	c, _ := l.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "a", Resource: "pods"}, Digest: "digest"})
	r := rand.New(rand.NewPCG(1, 2))
	c.BeginSnapshot()
	for i := range n {
		name, v := podName(r, i), ledger.Version{UID: uuid(r), ResourceVersion: strconv.Itoa(1_000_000 + i)}
		sequence := c.Observe(name, v, false, true, nil).Sequence
		// As a deletion, which needs no note: what is acked counts.
		c.Begin(sequence, name, v, true)
		c.Ack(sequence, name, v, false)
	}
	c.EndSnapshot("9000000")
	c.Seen("9000000")
	cancel()
	wg.Wait()
	mustClose(b, s)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What a restart costs: checking every page, reading every record. The peak is
// of the heap, garbage included; the design allows twice the final heap.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "fairlead.ledger")
			filled(b, path, n)
			var sum loading
			for b.Loop() {
				l := measureLoad(b, path)
				sum.check += l.check
				sum.load += l.load
				b.ReportMetric(float64(l.final)/float64(n), "B/object")
				b.ReportMetric(float64(l.peak)/float64(l.final), "peak/final")
				b.ReportMetric(float64(l.size)/float64(n), "file-B/object")
			}
			b.ReportMetric(sum.check.Seconds()/float64(b.N), "check-s/op")
			b.ReportMetric(sum.load.Seconds()/float64(b.N), "load-s/op")
		})
	}
}

// loading is what it took to load a ledger.
type loading struct {
	check, load time.Duration // the check is part of it
	peak, final int64         // heap, in bytes beyond what there was before
	size        int64         // of the file
}

func measureLoad(tb testing.TB, path string) (m loading) {
	tb.Helper()
	before, began := heap(), time.Now()
	stop, peaks := make(chan struct{}), make(chan uint64)
	go watchHeap(stop, peaks)
	s := mustOpen(tb, path)
	m.check = time.Since(began)
	l, err := ledger.Open(tb.Context(), ledger.Options{Store: s})
	m.load = time.Since(began)
	close(stop)
	m.peak = int64(<-peaks) - int64(before)
	if err != nil {
		tb.Fatal(err)
	}
	m.final, m.size = int64(heap())-int64(before), s.Size()
	runtime.KeepAlive(l)
	mustClose(tb, s)
	return m
}

// A goal of the design: starting needs no more than twice the final heap.
func TestLoadNeedsLittleMore(t *testing.T) {
	const n = 120_000 // the index has just grown
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	filled(t, path, n)
	m := measureLoad(t, path)
	if m.peak > 2*m.final || m.final > 160*n {
		t.Errorf("%d bytes per object, at most %d while loading", m.final/n, m.peak/n)
	}
}

func watchHeap(stop <-chan struct{}, peaks chan<- uint64) {
	var peak uint64
	for {
		select {
		case <-stop:
			peaks <- peak
			return
		case <-time.After(5 * time.Millisecond):
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
}

// Records of a batch come to a ledger that holds many.
func BenchmarkApply(b *testing.B) {
	path := filepath.Join(b.TempDir(), "fairlead.ledger")
	filled(b, path, 50_000)
	s := mustOpen(b, path)
	for _, n := range []int{1, 64, 1000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 4))
			u := ledger.Update{Cursor: "another", Head: make([]byte, 200)}
			for range n {
				name := podName(r, r.IntN(300))
				u.Records = append(u.Records, ledger.Record{Key: []byte(name.Namespace + name.Name), Value: make([]byte, 30)})
			}
			for i := 0; b.Loop(); i++ {
				for _, r := range u.Records {
					r.Value[0]++
				}
				if err := s.Apply(b.Context(), []ledger.Update{u}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// All of a large cluster comes to a new ledger in one transaction, in no order.
// What a record costs must not depend on how many there are.
func BenchmarkApplyFirst(b *testing.B) {
	for _, n := range []int{20_000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(3, 4))
			u := ledger.Update{Cursor: "new", Head: make([]byte, 200)}
			for i := range n {
				name := podName(r, i)
				u.Records = append(u.Records, ledger.Record{Key: []byte(name.Namespace + name.Name), Value: make([]byte, 30)})
			}
			r.Shuffle(n, func(i, k int) { u.Records[i], u.Records[k] = u.Records[k], u.Records[i] })
			for b.Loop() {
				s := mustOpen(b, filepath.Join(b.TempDir(), "fairlead.ledger"))
				if err := s.Apply(b.Context(), []ledger.Update{u}); err != nil {
					b.Fatal(err)
				}
				mustClose(b, s)
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
