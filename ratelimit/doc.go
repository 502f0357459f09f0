// Package ratelimit keeps one token bucket per cluster, so that a cluster that
// floods uses up its own tokens and nobody else's.
//
//	                       ┌─ bucket A  1/s, burst 5  (override)
//	Set, SetDefault ──▶ Buckets ─ bucket B  default
//	                       └─ bucket C  default        ◀── Take(now) ── a lane
//
// # Usage
//
//	buckets := ratelimit.New(ratelimit.Limit{QPS: 20, Burst: 40}) // of each cluster
//	buckets.Set("edge-1", ratelimit.Limit{QPS: 5})                // but of this one
//	bucket := buckets.Bucket("edge-1")                            // found once and kept
//	if wait := bucket.Take(time.Now()); wait > 0 {
//		... // no token was taken: the next one comes after wait
//	}
//
// A queue takes tokens by itself, see queue.FairRequests.
//
// # Guarantees
//
//   - In any span of time t a bucket gives out at most Burst + QPS·t tokens.
//   - A change of a limit takes effect with the next Take; no token that was
//     saved up under the old limit exceeds the new burst.
//   - Buckets are found once and kept: Take touches no map and no lock that
//     another cluster uses, and allocates nothing.
//
// # What may run at once
//
// Everything here may be used by any number of goroutines at once.
//
// # What it does not do
//
// It does not wait: Take says how long there is nothing to be had, and the
// caller decides what to do meanwhile. It forgets nothing by itself either: a
// bucket lives until Forget, an override until Unset.
package ratelimit
