package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// BenchmarkFileSize tells how large the file becomes with what clusters take in the
// ledger, as ledger.Usage counts: of objects that come as a first snapshot brings
// them, by 64 workers. The default of --max-ledger-bytes rests on it.
//
//	go test ./internal/ledger/bolt -run '^$' -bench FileSize -benchtime 1x
func BenchmarkFileSize(b *testing.B) {
	for _, bm := range []struct {
		name      string
		objects   int
		pattern   string
		uid       string
		namespace string
	}{
		{name: "ordinary", objects: 100_000, namespace: "team-payments", pattern: "checkout-frontend-7d9c5b8f6d-%05d", uid: "%08x-0000-4000-8000-000000000001"},
		{name: "inflated", objects: 20_000, namespace: "ns", pattern: strings.Repeat("n", 990) + "%08d", uid: strings.Repeat("u", 232) + "%08d"},
	} {
		b.Run("objects="+bm.name, func(b *testing.B) {
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "ledger")
				store, err := Open(path)
				if err != nil {
					b.Fatal(err)
				}
				l, err := ledger.Open(b.Context(), ledger.Options{Store: store})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }()
				l.Join("a")
				c, _ := l.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "a", ClusterUID: "a", Resource: "pods"}})
				c.BeginSnapshot()
				next := make(chan int)
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						for i := range next {
							n, v := ledger.Name{Namespace: bm.namespace, Name: fmt.Sprintf(bm.pattern, i)}, ledger.Version{UID: fmt.Sprintf(bm.uid, i), ResourceVersion: fmt.Sprint(1 + i)}
							sequence := c.Observe(n, v, false, true, nil).Sequence
							if _, _, safe, _ := c.Begin(sequence, n, v, false); safe != nil {
								<-safe
							}
							c.Ack(sequence, n, v, false)
						}
					})
				}
				for i := range bm.objects {
					next <- i
				}
				close(next)
				wg.Wait()
				c.EndSnapshot("1000000")
				c.Seen("1000000")
				cancel()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				used := l.Clusters()[0].Usage
				b.ReportMetric(float64(store.Size())/float64(bm.objects), "file-B/object")
				b.ReportMetric(float64(used.Bytes)/float64(bm.objects), "counted-B/object")
				b.ReportMetric(float64(store.Size())/float64(used.Bytes), "file/counted")
				if err := store.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
