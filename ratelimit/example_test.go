package ratelimit_test

import (
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/ratelimit"
)

func Example() {
	buckets := ratelimit.New(ratelimit.Limit{QPS: 5, Burst: 2})
	buckets.Set("noisy", ratelimit.Limit{QPS: 1, Burst: 1})

	now := time.Now()
	for _, cluster := range []string{"noisy", "quiet"} {
		bucket := buckets.Bucket(cluster)
		for range 3 {
			wait := bucket.Take(now)
			fmt.Println(cluster, wait.Round(time.Millisecond))
		}
	}
	// Output:
	// noisy 0s
	// noisy 1s
	// noisy 1s
	// quiet 0s
	// quiet 0s
	// quiet 200ms
}
