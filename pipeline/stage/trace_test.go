package stage

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// Each change is asked about before the destination has it, as are the deletions of what
// it replaces, and its event tells what was said.
func TestChangesAreChosenBeforeTheyAreHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ghosts: []types.UID{"u0"}}
		s := newTestStage(t, r)
		traced := &pipeline.Trace{TraceID: [16]byte{1}, SpanID: [8]byte{2}}
		var asked []types.UID
		s.trace = func(c *pipeline.Change) *pipeline.Trace {
			asked = append(asked, c.UID)
			if c.UID == "u1" {
				return traced
			}
			return nil
		}
		var got []types.UID
		s.observe = func(d Delivery) {
			if d.Change.Trace == traced {
				got = append(got, d.Change.UID)
			}
		}
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"))); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(asked, []types.UID{"u0", "u1"}) || !slices.Equal(got, []types.UID{"u1"}) {
			t.Errorf("asked about %v, traced %v", asked, got)
		}
	})
}

// accepting accepts everything.
type accepting struct{}

func (accepting) Deliver(_ context.Context, told func(i int, refused error), changes ...*pipeline.Change) error {
	for i := range changes {
		told(i, nil)
	}
	return nil
}

// BenchmarkHandover is what the stage takes for one change, in bundles of 100: nothing is
// observed or traced; observed, as the program always has it; and traced, with a choice that
// costs nothing itself.
func BenchmarkHandover(b *testing.B) {
	const size = 100
	for _, with := range []struct {
		name string
		o    Options
	}{
		{"plain", Options{}},
		{"observed", Options{Observe: func(Delivery) {}}},
		{"traced", Options{Observe: func(Delivery) {}, Trace: func(*pipeline.Change) *pipeline.Trace { return nil }}},
	} {
		b.Run(with.name, func(b *testing.B) {
			o := with.o
			o.Queue, o.Destination = NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}), accepting{}
			o.Workers, o.Registerer, o.Log = 1, prometheus.NewRegistry(), logr.Discard()
			s, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			changes := make([]*pipeline.Change, size)
			for i := range changes {
				changes[i] = testChange(nil, types.UID(fmt.Sprint("u", i)))
				changes[i].Op = pipeline.Updated
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := s.work(b.Context(), s.bundleOf(changes...)); err != nil {
					b.Fatal(err)
				}
				n += size
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/change")
		})
	}
}
