package stage

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// recorder is a destination and a tracker that notes what happens, in order.
type recorder struct {
	ghosts  []types.UID
	first   bool                        // these go alone, until they are acked
	safe    map[types.UID]chan struct{} // closed when the change is noted
	held    map[types.UID]chan struct{} // closed when the change is accepted
	refuse  map[types.UID]error
	newer   map[types.UID]bool // superseded
	failing error

	mu     sync.Mutex
	events []string
}

func (r *recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, what)
}

func (r *recorder) Begin(c *pipeline.Change) ([]types.UID, <-chan struct{}, bool) {
	r.note("begin " + string(c.UID))
	c.Op = pipeline.Updated
	c.GhostsFirst = r.first && len(r.ghosts) > 0
	return r.ghosts, r.safe[c.UID], r.newer[c.UID]
}

func (r *recorder) Ack(c *pipeline.Change) {
	r.note("ack " + string(c.UID))
	if r.first {
		r.ghosts = slices.DeleteFunc(slices.Clone(r.ghosts), func(uid types.UID) bool { return uid == c.UID })
	}
}

func (r *recorder) Deliver(ctx context.Context, tell func(int, error), changes ...*pipeline.Change) error {
	for _, c := range changes {
		what := c.Op.String() + " " + string(c.UID)
		if c.Tombstone {
			what += " tombstone"
		}
		r.note(what)
	}
	if r.failing != nil {
		return r.failing
	}
	for i, c := range changes {
		if r.held[c.UID] == nil {
			tell(i, r.refuse[c.UID])
		}
	}
	for i, c := range changes {
		if held := r.held[c.UID]; held != nil {
			select {
			case <-held:
				tell(i, r.refuse[c.UID])
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func (r *recorder) happened(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.events = nil
}

func newTestStage(t *testing.T, to pipeline.Destination) *Stage {
	t.Helper()
	s, err := New(Options{
		Queue:       NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{}),
		Destination: to,
		Workers:     1,
		Registerer:  prometheus.NewRegistry(),
		Log:         logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testChange returns a change of an object that is named as its UID.
func testChange(tracker pipeline.Tracker, uid types.UID) *pipeline.Change {
	return &pipeline.Change{
		Key:      pipeline.Key{Cluster: "a", Resource: "configmaps", Namespace: "ns", Name: string(uid)},
		Origin:   &pipeline.Origin{Cluster: "a", Tracker: tracker},
		UID:      uid,
		Observed: time.Now(),
	}
}

// bundleOf takes changes through the stage's queue.
func (s *Stage) bundleOf(changes ...*pipeline.Change) *bundle {
	for _, c := range changes {
		s.queue.Queue.AddWithOpts(priorityqueue.AddOpts{Priority: new(7)}, c)
	}
	s.queue.batch.Store(int64(len(changes)))
	b, _ := s.queue.Get()
	return b
}

// work does what a controller's worker does.
func (s *Stage) work(ctx context.Context, b *bundle) error {
	_, err := s.reconcile(ctx, b)
	if err != nil {
		s.queue.AddWithOpts(priorityqueue.AddOpts{Priority: new(0)}, b)
	}
	s.queue.Done(b)
	return err
}

// start does work in a worker of its own, as far as that comes by itself.
func (s *Stage) start(ctx context.Context, b *bundle) (ended chan error) {
	ended = make(chan error)
	go func() { ended <- s.work(ctx, b) }()
	synctest.Wait()
	return ended
}

func TestStageDeletesWhatAChangeReplacesThenDeliversThenAcks(t *testing.T) {
	r := &recorder{ghosts: []types.UID{"u0", "u1"}}
	s := newTestStage(t, r)
	if err := s.work(t.Context(), s.bundleOf(testChange(r, "u2"))); err != nil {
		t.Fatal(err)
	}
	r.happened(t, "begin u2", "deleted u0 tombstone", "deleted u1 tombstone", "updated u2", "ack u0", "ack u1", "ack u2")
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

func TestStageAcksNothingOfADestinationThatEnds(t *testing.T) {
	r := &recorder{failing: context.Canceled}
	s := newTestStage(t, r)
	if err := s.work(t.Context(), s.bundleOf(testChange(r, "u2"))); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the destination's", err)
	}
	r.happened(t, "begin u2", "updated u2")
	if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "interrupted")); got != 1 {
		t.Errorf("%v failures counted, want 1", got)
	}
}

// What the ledger has not noted is not handed over, and holds up nothing else.
func TestStageWaitsForTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{safe: map[types.UID]chan struct{}{"u1": make(chan struct{}), "u3": make(chan struct{})}}
		s := newTestStage(t, r)
		b := s.bundleOf(testChange(r, "u1"), testChange(r, "u2"), testChange(r, "u3"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := s.start(ctx, b)
		r.happened(t, "begin u1", "begin u2", "begin u3", "updated u2", "ack u2")
		close(r.safe["u3"])
		synctest.Wait()
		r.happened(t)
		cancel()
		err := <-ended
		if want := "wait until the ledger has stored a/configmaps/ns/u1 and 1 more, before its delivery: context canceled"; err == nil || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		r.happened(t)
		if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "ledger")); got != 2 {
			t.Errorf("%v failures counted, want 2", got)
		}

		close(r.safe["u1"])
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"), testChange(r, "u3"))); err != nil {
			t.Error(err)
		}
		r.happened(t, "begin u1", "begin u3", "updated u1", "updated u3", "ack u1", "ack u3")
	})
}

// One that the ledger cannot note does not keep a worker for ever, nor what is with it.
func TestStageGivesBackWhatTheLedgerDoesNotNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ghosts: []types.UID{"g"}, safe: map[types.UID]chan struct{}{"u1": make(chan struct{}), "u2": make(chan struct{})}}
		s := newTestStage(t, r)
		close(r.safe["u2"])
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"), testChange(r, "u2"))); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "begin u2", "deleted g tombstone", "updated u2", "ack g", "ack u2")
		if l := s.queue.Lanes()[0]; l.Delayed != 1 || l.InFlight != 0 || s.Refused() != nil {
			t.Errorf("lane %+v, refused %+v; want one that is delayed", l, s.Refused())
		}
		if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "ledger")); got != 1 {
			t.Errorf("%v failures counted, want 1", got)
		}
		close(r.safe["u1"])
		b, _ := s.queue.Get()
		if err := s.work(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "deleted g tombstone", "updated u1", "ack g", "ack u1")
	})
}

// storeTracker is a recorder of a cluster whose records the store may refuse.
type storeTracker struct {
	*recorder
	refused chan struct{}
}

func (s storeTracker) StoreRefuses() <-chan struct{} { return s.refused }

// What the store refuses waits in its lane, and the rest of the lane with it. What it has
// stored all the same is delivered.
func TestWhatTheStoreRefusesWaitsInItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open, done := make(chan struct{}), make(chan struct{})
		close(done)
		r := storeTracker{&recorder{safe: map[types.UID]chan struct{}{"u1": open, "u2": done, "u3": open}}, make(chan struct{})}
		s := newTestStage(t, r)
		began := time.Now()
		ended := s.start(t.Context(), s.bundleOf(testChange(r, "u1"), testChange(r, "u2")))
		close(r.refused)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "begin u2", "updated u2", "ack u2")
		s.queue.Queue.Add(testChange(r, "u3"))
		other := testChange(r, "u4")
		other.Key.Cluster = "b"
		s.queue.Queue.Add(other)
		b, _ := s.queue.Get()
		if took := time.Since(began); took > 0 || len(b.parts) != 1 || b.parts[0].change != other {
			t.Errorf("after %v, %d changes from %s on are handed out; want that of the other lane at once", took, len(b.parts), b.parts[0].change.Key)
		}
		s.queue.Done(b)
		b, _ = s.queue.Get()
		if took := time.Since(began); took != storeAgain {
			t.Errorf("the lane had a turn after %v, want %v", took, storeAgain)
		}
		s.queue.Done(b)
	})
}

// A change that a sink takes its time for holds up nothing that is delivered with
// it, not even a newer state of that.
func TestASlowChangeHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{held: map[types.UID]chan struct{}{"u1": make(chan struct{})}}
		s := newTestStage(t, r)
		b := s.bundleOf(testChange(r, "u1"), testChange(r, "u2"))
		ended := s.start(t.Context(), b)
		r.happened(t, "begin u1", "begin u2", "updated u1", "updated u2", "ack u2")
		s.queue.Queue.Add(testChange(r, "u1"))
		s.queue.Queue.Add(testChange(r, "u2"))
		if n := s.queue.Len(); n != 1 {
			t.Errorf("%d changes can be handed out, want the newer one of u2", n)
		}
		close(r.held["u1"])
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := s.queue.Len(); n != 2 {
			t.Errorf("%d changes can be handed out, want 2", n)
		}
	})
}

// What fails comes back as it was, and only that.
func TestStageBringsBackWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{held: map[types.UID]chan struct{}{"u2": make(chan struct{})}}
		s := newTestStage(t, r)
		b := s.bundleOf(testChange(r, "u1"), testChange(r, "u2"), testChange(r, "u3"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := s.start(ctx, b)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Second)
		if c, priority, _ := s.queue.Queue.GetWithPriority(); c.UID != "u2" || priority != 7 {
			t.Errorf("%s came back with priority %d, want u2 with 7", c.UID, priority)
		}
		if l := s.queue.Lanes()[0]; l.Live+l.Snapshot+l.Delayed != 0 || l.InFlight != 1 {
			t.Errorf("lane %+v, want nothing beside u2", l)
		}
	})
}

func TestStageNeedsADestinationAndItsQueue(t *testing.T) {
	q := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
	if _, err := New(Options{Queue: q, Registerer: prometheus.NewRegistry()}); err == nil {
		t.Error("no error")
	}
	q = queue.New(queue.Options[*pipeline.Change, pipeline.Key]{
		Cluster:  func(c *pipeline.Change) string { return c.Key.Cluster },
		Identity: func(c *pipeline.Change) pipeline.Key { return c.Key },
	})
	if _, err := New(Options{Queue: q, Destination: &recorder{}, Registerer: prometheus.NewRegistry()}); err == nil {
		t.Error("a queue that cannot tell of refusals was taken")
	}
}
