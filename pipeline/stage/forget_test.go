package stage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// forgetful is a destination that is told of clusters that have left.
type forgetful struct {
	*recorder
	told []string
}

func (f *forgetful) ForgetCluster(cluster string) { f.told = append(f.told, cluster) }

// seriesByCluster returns the names of the metrics that have a series of each cluster.
func seriesByCluster(t *testing.T, registry prometheus.Gatherer) map[string][]string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string][]string{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "cluster" {
					series[label.GetValue()] = append(series[label.GetValue()], family.GetName())
				}
			}
		}
	}
	return series
}

// Nothing is kept of a cluster that has left, whatever its changes have come to: no series, no
// refusal, no lane, no tokens; and another cluster's stay.
func TestNothingStaysOfAClusterThatHasLeft(t *testing.T) {
	for name, end := range map[string]func(s *Stage, refused *pipeline.Change){
		"while it waits": func(*Stage, *pipeline.Change) {},
		// Its object is given up, and the cluster has another state by now: it is done with
		// without an answer of the sink.
		"after it has moved": func(s *Stage, refused *pipeline.Change) {
			s.queue.Evict()
			time.Sleep(2 * time.Minute)
			moved := *refused
			moved.Moved = true
			s.queue.Queue.Add(&moved)
			if err := s.work(t.Context(), s.bundleOf()); err != nil {
				t.Fatal(err)
			}
			if got := s.Refused(); len(got) != 1 || got[0].Cluster != "b" {
				t.Errorf("refused while nothing of it waits: %+v", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				later := pipeline.RetryAfter(errors.New("no"), time.Minute)
				r := rereader{&recorder{refuse: map[types.UID]error{"u1": later, "u2": later}}}
				registry := prometheus.NewPedanticRegistry()
				to := &forgetful{recorder: r.recorder}
				lanes := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
				registry.MustRegister(queue.NewCollector(lanes.Lanes))
				s, err := New(Options{Queue: lanes, Destination: to, Workers: 1, Registerer: registry, Log: logr.Discard()})
				if err != nil {
					t.Fatal(err)
				}
				others, accepted, refused := testChange(r, "u2"), testChange(r, "u3"), testChange(r, "u1")
				others.Key.Cluster, others.Origin = "b", &pipeline.Origin{Cluster: "b", Tracker: r}
				refused.Object, refused.Sequence = []byte("{}"), 2
				if err := s.work(t.Context(), s.bundleOf(refused, others, accepted)); err != nil {
					t.Fatal(err)
				}
				if got := s.Refused(); len(got) != 2 {
					t.Fatalf("refused: %+v", got)
				}
				end(s, refused)
				if err := s.queue.RemoveCluster(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				// As one that was brought back while the lane was removed would have it.
				s.refusals.When(refused.Key)
				s.refusals.refuse(refused.Key, "1", later, time.Now())
				s.ForgetCluster("a")

				if got := s.Refused(); len(got) != 1 || got[0].Cluster != "b" || got[0].Changes != 1 {
					t.Errorf("refused: %+v", got)
				}
				if n := s.refusals.NumRequeues(refused.Key); n != 0 {
					t.Errorf("%d tries of it are remembered", n)
				}
				if len(to.told) != 1 || to.told[0] != "a" {
					t.Errorf("the destination was told of %q", to.told)
				}
				series := seriesByCluster(t, registry)
				if series["a"] != nil {
					t.Errorf("series of the cluster: %q", series["a"])
				}
				if series["b"] == nil {
					t.Errorf("series: %v", series)
				}
			})
		})
	}
}

// A sink that hangs while a cluster leaves answers later, and nothing stays then, either.
func TestNothingStaysOfAClusterThatASinkAnswersForLater(t *testing.T) {
	for name, refuse := range map[string]map[types.UID]error{"accepted": nil, "refused": {"u1": errors.New("no")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := make(chan struct{})
				r := &recorder{held: map[types.UID]chan struct{}{"u1": answer}, refuse: refuse}
				to := &forgetful{recorder: r}
				registry := prometheus.NewPedanticRegistry()
				lanes := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
				registry.MustRegister(queue.NewCollector(lanes.Lanes))
				s, err := New(Options{Queue: lanes, Destination: to, Workers: 1, Registerer: registry, Log: logr.Discard()})
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- s.work(t.Context(), s.bundleOf(testChange(r, "u1"))) }()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if err := s.queue.RemoveCluster(ctx, "a"); err == nil {
					t.Fatal("the sink has not hung")
				}
				s.ForgetCluster("a")
				close(answer)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if len(to.told) != 2 {
					t.Errorf("the destination was told of %q, want the cluster twice", to.told)
				}
				if got := s.Refused(); len(got) != 0 {
					t.Errorf("refused: %+v", got)
				}
				if series := seriesByCluster(t, registry); len(series) != 0 {
					t.Errorf("series: %q", series)
				}
			})
		})
	}
}
