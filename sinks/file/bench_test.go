package file

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkWrite tells what a batch costs, its fsync included: group commit
// lives off the difference.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "out"))
			if err != nil {
				b.Fatal(err)
			}
			batch := batchOf()
			for i := range size {
				c := pod(fmt.Sprintf("pod-%d", i))
				c.Object = []byte(`{"kind":"Pod","spec":{"k":"` + strings.Repeat("x", 2500) + `"}}`)
				batch = append(batch, c)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(s.buf)))
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "changes/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
