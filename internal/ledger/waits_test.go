package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// longestWait runs do, and returns for how long a claim of another cluster has waited
// meanwhile at most.
func longestWait(l *Ledger, do func()) (longest time.Duration) {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	for {
		began := time.Now()
		l.claimAs(StreamID{Cluster: "another", ClusterUID: "uid", Resource: "pods", Route: "r"}, "")
		longest = max(longest, time.Since(began))
		select {
		case <-done:
			return longest
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// BenchmarkNarrow is what it takes to follow one or two namespaces of 200,000 objects
// that were followed in all, and for how long others wait for that.
func BenchmarkNarrow(b *testing.B) {
	for _, follow := range [][]string{{"tenant-007-production"}, {"tenant-007-production", "tenant-008-production"}} {
		b.Run(fmt.Sprintf("namespaces=%d", len(follow)), func(b *testing.B) {
			var longest time.Duration
			for b.Loop() {
				b.StopTimer()
				l, err := Open(b.Context(), Options{Store: newMemStore(), Log: logr.Discard()})
				if err != nil {
					b.Fatal(err)
				}
				claim := func(namespace string, followed ...string) *Cursor {
					c, _ := l.Claim(Claiming{
						ID:        StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Namespace: namespace, Route: "r"},
						Selection: Selection{Namespace: namespace}, Followed: followed,
					})
					return c
				}
				commit := func() {
					if err := l.writer.commit(b.Context(), true); err != nil {
						b.Error(err)
					}
				}
				fill(b, claim("", ""), 200_000)
				commit()
				b.StartTimer()
				longest = max(longest, longestWait(l, func() {
					for _, namespace := range follow {
						claim(namespace, follow...)
					}
					commit()
				}))
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "longest-wait-ms")
		})
	}
}

// BenchmarkTransaction puts together and stores what 4,000 clusters with five streams
// each have: ten acks of each stream.
func BenchmarkTransaction(b *testing.B) {
	const acks = 10
	l, err := Open(b.Context(), Options{Store: newMemStore(), Log: logr.Discard()})
	if err != nil {
		b.Fatal(err)
	}
	var all []*Cursor
	for i := range 4000 {
		for _, resource := range []string{"pods", "configmaps", "deployments.apps", "services", "nodes"} {
			c, _ := l.claimAs(StreamID{Cluster: fmt.Sprintf("cluster-%06d", i), ClusterUID: uuid(i), Resource: resource}, "d")
			c.BeginSnapshot()
			endSnapshot(c, "1")
			c.Seen("1")
			all = append(all, c)
		}
	}
	var longest time.Duration
	at := 10
	for b.Loop() {
		b.StopTimer()
		for _, c := range all {
			for i := range acks {
				at++
				v := at20(i)
				v.ResourceVersion = fmt.Sprint(at)
				sequence, _ := c.observe(pod(i), v, false, false)
				c.begin(sequence, pod(i), v, false)
				c.Ack(sequence, pod(i), v, false)
			}
		}
		b.StartTimer()
		longest = max(longest, longestWait(l, func() {
			if err := l.writer.commit(b.Context(), true); err != nil {
				b.Error(err)
			}
		}))
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-wait-ms")
}
