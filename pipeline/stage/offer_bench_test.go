package stage

import (
	"fmt"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// BenchmarkOffer is the way a stream's changes go through the program's queue.
func BenchmarkOffer(b *testing.B) {
	q := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
	changes := make([]*pipeline.Change, 10_000)
	for i := range changes {
		changes[i] = &pipeline.Change{Key: pipeline.Key{
			Cluster: fmt.Sprintf("cluster-%d", i%100), Resource: "configmaps", Namespace: "default", Name: fmt.Sprintf("object-%d", i),
		}}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := q.Offer(b.Context(), changes[n%len(changes)], 0); err != nil {
			b.Fatal(err)
		}
		c, _ := q.Get()
		q.Done(c)
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "changes/s")
}
