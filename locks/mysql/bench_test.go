package mysql_test

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/locks/mysql"
)

// BenchmarkLock measures the two calls of an election, to a server on the loopback that
// syncs each write to disk.
func BenchmarkLock(b *testing.B) {
	d := start(b)
	l := open(b, mysql.Options{Host: d.Addr(), Name: "x", Identity: "a"})
	create(b, l)
	for name, call := range map[string]func() error{
		"get": func() error {
			_, _, err := l.Get(b.Context())
			return err
		},
		"update": func() error { return l.Update(b.Context(), by("a")) },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := call(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
