package stage

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

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

// handover returns what hands bundles of size changes through a stage to a destination that
// accepts everything.
func handover(tb testing.TB, o Options, size int) (once func()) {
	tb.Helper()
	o.Queue, o.Destination = NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}), accepting{}
	o.Workers, o.Registerer, o.Log = 1, prometheus.NewRegistry(), logr.Discard()
	s, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	changes := make([]*pipeline.Change, size)
	for i := range changes {
		changes[i] = testChange(nil, types.UID(fmt.Sprint("u", i)))
		changes[i].Op = pipeline.Updated
	}
	return func() {
		if err := s.work(tb.Context(), s.bundleOf(changes...)); err != nil {
			tb.Fatal(err)
		}
	}
}

// Who is told of an answer may put another trace in the change's place, as of one that is
// late only then: the tracker has that.
func TestTheTrackerHasTheTraceOfTheObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		s := newTestStage(t, r)
		c := testChange(r, "u1")
		s.observe = func(d Delivery) { d.Change.Trace = &pipeline.Trace{Stored: func() { r.note("stored") }} }
		c.Origin.Tracker = storing{r}
		if err := s.work(t.Context(), s.bundleOf(c)); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "updated u1", "stored", "ack u1")
	})
}

// storing is a tracker whose records are stored at once.
type storing struct{ *recorder }

func (r storing) Ack(c *pipeline.Change) {
	c.Trace.Stored()
	r.recorder.Ack(c)
}

// BenchmarkHandover is what the stage takes for one change, in bundles of 100: as the
// program has it, observed and with nothing traced, because tracing is off or because none
// is chosen, by a choice that costs nothing itself. In turns with a stage that nobody observes;
// the median, as other programs take the processor now and then.
func BenchmarkHandover(b *testing.B) {
	const size = 100
	for _, with := range []struct {
		tracing string
		o       Options
	}{
		{"off", Options{Observe: func(Delivery) {}}},
		{"on", Options{Observe: func(Delivery) {}, Trace: func(*pipeline.Change) *pipeline.Trace { return nil }}},
	} {
		b.Run("tracing="+with.tracing+"/impl=fairlead", func(b *testing.B) {
			turns := [2]func(){handover(b, with.o, size), handover(b, Options{}, size)}
			var took [2][]time.Duration
			for b.Loop() {
				for i, once := range turns {
					began := time.Now()
					once()
					took[i] = append(took[i], time.Since(began))
				}
			}
			for i, unit := range []string{"ns/change", "direct-ns/change"} {
				slices.Sort(took[i])
				median := took[i][len(took[i])/2]
				b.ReportMetric(float64(median.Nanoseconds())/size, unit)
			}
		})
	}
}
