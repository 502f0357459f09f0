package pipeline

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
)

// recorder is a destination and a tracker that notes what happens, in order.
type recorder struct {
	ghosts   []types.UID
	beginErr error
	failing  error

	mu     sync.Mutex
	events []string
}

func (r *recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, what)
}

func (r *recorder) Begin(_ context.Context, c *Change) ([]types.UID, error) {
	r.note("begin " + string(c.UID))
	c.Op = Updated
	return r.ghosts, r.beginErr
}

func (r *recorder) Ack(c *Change) { r.note("ack " + string(c.UID)) }

func (r *recorder) Deliver(_ context.Context, changes ...*Change) error {
	for _, c := range changes {
		what := c.Op.String() + " " + string(c.UID)
		if c.Tombstone {
			what += " tombstone"
		}
		r.note(what)
	}
	return r.failing
}

func newTestStage(t *testing.T, to ...Destination) *Stage {
	t.Helper()
	s, err := NewStage(StageOptions{
		Queue:        NewChangeQueue(QueueOptions[*Change, Key]{}),
		Destinations: to,
		Workers:      1,
		Registerer:   prometheus.NewRegistry(),
		Log:          logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testChange(tracker Tracker) *Change {
	return &Change{
		Key:      Key{Cluster: "a", Resource: "configmaps", Namespace: "ns", Name: "x"},
		Origin:   &Origin{Cluster: "a", Tracker: tracker},
		UID:      "u2",
		Observed: time.Now(),
	}
}

func TestStageDeletesWhatAChangeReplacesThenDeliversThenAcks(t *testing.T) {
	r := &recorder{ghosts: []types.UID{"u0", "u1"}}
	s := newTestStage(t, r)
	if _, err := s.Reconcile(t.Context(), testChange(r)); err != nil {
		t.Fatal(err)
	}
	want := []string{"begin u2", "deleted u0 tombstone", "deleted u1 tombstone", "updated u2", "ack u2"}
	if diff := cmp.Diff(want, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for op, want := range map[string]float64{"deleted": 2, "updated": 1} {
		if got := testutil.ToFloat64(s.metrics.delivered.WithLabelValues("a", "configmaps", op)); got != want {
			t.Errorf("%v %s changes counted as delivered, want %v", got, op, want)
		}
	}
	s.ForgetCluster("a")
	if n := testutil.CollectAndCount(s.metrics.delivered) + testutil.CollectAndCount(s.metrics.lag); n != 0 {
		t.Errorf("%d series left of a forgotten cluster", n)
	}
}

func TestStageAcksOnlyWhatEveryDestinationHas(t *testing.T) {
	r, bad := &recorder{}, &recorder{failing: context.Canceled}
	s := newTestStage(t, r, bad)
	if _, err := s.Reconcile(t.Context(), testChange(r)); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the failing destination's", err)
	}
	if diff := cmp.Diff([]string{"begin u2", "updated u2"}, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "interrupted")); got != 1 {
		t.Errorf("%v failures counted, want 1", got)
	}
}

func TestStageHandsNothingOverThatTheLedgerCouldNotNote(t *testing.T) {
	r := &recorder{beginErr: errors.New("disk full")}
	s := newTestStage(t, r)
	if _, err := s.Reconcile(t.Context(), testChange(r)); err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff([]string{"begin u2"}, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestStageNeedsADestination(t *testing.T) {
	if _, err := NewStage(StageOptions{Registerer: prometheus.NewRegistry()}); err == nil {
		t.Error("no error")
	}
}
