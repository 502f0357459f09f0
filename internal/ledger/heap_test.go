package ledger

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
)

// A pod's name is that of its workload and two suffixes: 20 to 60 bytes.
func podName(r *rand.Rand, i int) Name {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	b := []byte(fmt.Sprintf("team-%d-%s", i%37, "checkout-frontend-api-gateway-worker-sidecar"[:4+r.IntN(40)]))
	b = append(b, '-')
	for k := range 15 {
		if k == 9 {
			b = append(b, '-')
			continue
		}
		b = append(b, letters[r.IntN(len(letters))])
	}
	return Name{Namespace: fmt.Sprintf("tenant-%03d-production", i%300), Name: string(b)}
}

func randomUID(r *rand.Rand) string {
	var u uid
	for i := range u {
		u[i] = byte(r.Uint32())
	}
	return u.format()
}

// fill takes n objects through a first snapshot, acked a lane behind.
func fill(tb testing.TB, c *Cursor, n int) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	c.BeginSnapshot()
	type item struct {
		ticket uint64
		name   Name
		v      Version
	}
	lane := make([]item, 0, 1000)
	flush := func() {
		for _, i := range lane {
			c.begin(i.ticket, i.name, i.v, false)
			c.Ack(i.ticket, i.name, i.v, false)
		}
		lane = lane[:0]
	}
	for i := range n {
		x := item{name: podName(r, i), v: Version{randomUID(r), strconv.Itoa(1_000_000 + i)}}
		var verdict Verdict
		if x.ticket, verdict = c.Observe(x.name, x.v, false, true); verdict != Deliver {
			tb.Fatalf("%v: verdict %v", x.name, verdict)
		}
		if lane = append(lane, x); len(lane) == cap(lane) {
			flush()
		}
	}
	flush()
	c.EndSnapshot("9000000")
	c.Seen("9000000")
}

func heap() int {
	runtime.GC()
	runtime.GC() // what the first one has swept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

var heapSizes = []int{100_000, 1_000_000}

// worst returns the number of objects up to n at which the index, a Go map, has
// just grown: it takes most per object there.
func BenchmarkHeapPerObject(b *testing.B) {
	for _, n := range heapSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				c := newCursor(StreamID{}, nil)
				fill(b, c, n)
				b.ReportMetric(float64(heap()-before)/float64(n), "B/object")
				runtime.KeepAlive(c)
			}
		})
	}
}

var _ = context.Background
var _ iter.Seq[int]
