package lines

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkFile tells what a call costs, its fsync included: group commit
// lives off the difference.
func BenchmarkFile(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s, err := OpenFile(filepath.Join(b.TempDir(), "out"), prefix)
			if err != nil {
				b.Fatal(err)
			}
			batch := text(strings.Repeat(line(strings.Repeat("x", 2500)), size))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(s.buf)))
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "lines/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
