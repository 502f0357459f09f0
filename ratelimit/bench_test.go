package ratelimit_test

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

func BenchmarkTake(b *testing.B) {
	for name, limit := range map[string]ratelimit.Limit{
		"none":  {},
		"ample": {QPS: 1e9, Burst: 1e9},
		"spent": {QPS: 1e-9, Burst: 1},
	} {
		b.Run("limit="+name, func(b *testing.B) {
			bucket := ratelimit.New(limit).Bucket("a")
			now := time.Now()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				bucket.Take(now)
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

func BenchmarkBucket(b *testing.B) {
	all := ratelimit.New(ratelimit.Limit{})
	all.Bucket("a")
	b.ReportAllocs()
	for b.Loop() {
		all.Bucket("a")
	}
}
