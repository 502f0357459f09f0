package etcd_test

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testkv"
	"github.com/fairlead-dev/fairlead/locks/etcd"
)

// BenchmarkLock measures calls of a lock on an etcd of one member, which has each write
// on disk before it answers.
func BenchmarkLock(b *testing.B) {
	s := testkv.StartEtcd(b, testkv.EtcdOptions{Sync: true})[0]
	l := backends(s, etcd.Options{}, nil)(b).Open(b, "a")
	create(b, l)
	for name, call := range map[string]func() error{
		"Get": func() error {
			_, _, err := l.Get(b.Context())
			return err
		},
		"Update": func() error { return l.Update(b.Context(), record()) },
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
			for _, percent := range []int{50, 99} {
				at := took[(len(took)-1)*percent/100]
				b.ReportMetric(float64(at.Microseconds())/1000, map[int]string{50: "p50-ms", 99: "p99-ms"}[percent])
			}
		})
	}
}
