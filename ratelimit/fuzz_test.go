package ratelimit_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// naive is a token bucket as it is told: so many tokens, at such a time.
type naive struct {
	interval time.Duration // per token
	burst    int
	tokens   float64
	at       time.Time
}

func (n *naive) advance(now time.Time) {
	if now.After(n.at) {
		n.tokens = min(n.tokens+float64(now.Sub(n.at))/float64(n.interval), float64(n.burst))
		n.at = now
	}
}

func (n *naive) take(now time.Time) time.Duration {
	back := max(n.at.Sub(now), 0)
	n.advance(now)
	if n.tokens >= 1 {
		n.tokens--
		return 0
	}
	return time.Duration((1-n.tokens)*float64(n.interval)) + back
}

func (n *naive) set(now time.Time, interval time.Duration, burst int) {
	n.advance(now)
	n.interval, n.burst = interval, burst
	n.tokens = min(n.tokens, float64(burst))
}

// FuzzBucket drives a bucket and the model with the same operations. They may
// differ by the rounding of a float, so a wait is compared to the microsecond,
// and a token that one gives a microsecond early the other gives too.
func FuzzBucket(f *testing.F) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 200)
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			limits := []struct {
				qps   float64
				burst int
			}{{1, 1}, {10, 3}, {0.5, 2}, {100, 1}, {1000, 50}}
			l := limits[0]
			buckets := ratelimit.New(ratelimit.Limit{QPS: l.qps, Burst: l.burst})
			b := buckets.Bucket("a")
			m := &naive{interval: time.Second, burst: 1, tokens: 1, at: time.Now().Add(-time.Hour)}
			for len(script) >= 2 {
				op, arg := script[0], int(script[1])
				script = script[2:]
				switch {
				case op < 40:
					time.Sleep(time.Duration(arg) * time.Duration(arg) * 100 * time.Microsecond)
				case op < 50:
					l = limits[arg%len(limits)]
					buckets.Set("a", ratelimit.Limit{QPS: l.qps, Burst: l.burst})
					m.set(time.Now(), time.Duration(float64(time.Second)/l.qps), l.burst)
				default:
					now := time.Now()
					if op < 70 {
						now = now.Add(-time.Duration(arg) * time.Millisecond)
					}
					got, want := b.Take(now), m.take(now)
					if diff := (got - want).Abs(); diff > time.Microsecond {
						t.Fatalf("Take = %v, want %v", got, want)
					}
					switch {
					case got == 0 && want > 0:
						m.tokens--
					case got > 0 && want == 0:
						m.tokens++
					}
				}
			}
		})
	})
}
