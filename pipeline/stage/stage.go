package stage

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// Queue is the queue of the program: its items carry a change, and the
// newest change of a key replaces an older one that still waits.
type Queue = queue.Queue[*pipeline.Change, pipeline.Key]

// NewQueue returns a Queue. Of the options, Cluster, Identity,
// Size, Hash, Newer and Evict are set here, and DropOnShutDown: who wants a drain calls Stop before the
// stage's manager ends, and after a lost lease nothing more is begun. So is the
// RateLimiter, which says when what a sink refused is tried again: from 250 ms on,
// doubling up to a minute, with full jitter.
func NewQueue(o queue.Options[*pipeline.Change, pipeline.Key]) *Queue {
	o.Cluster = func(c *pipeline.Change) string { return c.Key.Cluster }
	o.Identity = func(c *pipeline.Change) pipeline.Key { return c.Key }
	o.Size = (*pipeline.Change).Size
	o.Hash = hashKey
	o.Newer = func(a, b *pipeline.Change) bool { return a.Sequence > b.Sequence }
	o.Evict = func(c *pipeline.Change) int {
		c.Evict()
		return c.Size()
	}
	o.DropOnShutDown = true
	discard := o.Discard
	o.Discard = func(c *pipeline.Change) {
		c.Release()
		if discard != nil {
			discard(c)
		}
	}
	r := newRefusals()
	o.RateLimiter = r
	left := o.Left
	o.Left = func(cluster string) {
		if forget := r.left.Load(); forget != nil {
			(*forget)(cluster)
		}
		if left != nil {
			left(cluster)
		}
	}
	return queue.New(o)
}

// DefaultWorkers is how many deliveries are under way at the same time.
const DefaultWorkers = 64

// Options say what a Stage works with.
type Options struct {
	Queue       *Queue // made by NewQueue
	Destination pipeline.Destination
	// Workers is how many deliveries may be under way at the same time, those
	// included whose changes wait for the ledger. 0 means DefaultWorkers. A destination that is Paced says
	// how many it wants, and how large; any other gets one change by each worker.
	Workers int
	// Registerer receives the stage's metrics. Required.
	Registerer prometheus.Registerer
	// Observe is told of each answer of the destination; nil: nobody is. It is called by
	// many goroutines at once, and holds up the delivery for as long as it takes.
	Observe func(Delivery)
	// Trace returns the trace of a change, nil if it is not traced. It is asked before each
	// handover, by many goroutines at once, and holds that up for as long as it takes. Nil:
	// no change is traced.
	Trace func(*pipeline.Change) *pipeline.Trace
	Log   logr.Logger
}

// Delivery is what a destination has answered.
type Delivery struct {
	// Change is what it was told of. It is not to be changed, but for its Trace by who traces
	// it, and not to be kept: its object is another one's after the call.
	Change *pipeline.Change
	// Began is when the change was taken from the queue to be handed over.
	Began time.Time
	// Refused is why it has not been accepted and is tried again; nil: it has been. A change
	// that is given up, as no sink will ever accept it, counts as accepted.
	Refused error
	// DeadLettered is whether it was given up: it is with the dead letters, and not with the
	// sink.
	DeadLettered bool
}

// Stage is the reconcile stage: the one place where changes meet sinks. It
// takes changes from the queue, hands the deletions of what each replaced and
// then itself to the destination, and acks it, or brings it back if it is refused.
// The workers around it are a controller-runtime controller's.
type Stage struct {
	queue       *bundles
	destination pipeline.Destination
	refusals    *refusals
	workers     int
	observe     func(Delivery)
	trace       func(*pipeline.Change) *pipeline.Trace // nil: nothing is traced
	log         logr.Logger
	metrics     *metrics
}

// New returns a stage that does nothing until the manager it is set up
// with starts.
func New(o Options) (*Stage, error) {
	if o.Destination == nil {
		return nil, errors.New("a stage needs a destination")
	}
	r, ok := o.Queue.RateLimiter().(*refusals)
	if !ok {
		return nil, errors.New("a stage needs a queue that NewQueue has made")
	}
	m, err := newMetrics(o.Registerer, r)
	if err != nil {
		return nil, err
	}
	o.Workers = cmp.Or(o.Workers, DefaultWorkers)
	queue := newBundles(o.Queue, o.Workers)
	if to, ok := o.Destination.(pipeline.Paced); ok {
		to.Pace(queue.pace)
	}
	s := &Stage{
		queue:       queue,
		destination: o.Destination,
		refusals:    r,
		workers:     o.Workers,
		observe:     o.Observe,
		trace:       o.Trace,
		log:         o.Log,
		metrics:     m,
	}
	forget := s.ForgetCluster
	r.left.Store(&forget)
	return s, nil
}

// SetupWithManager adds the stage's controller to mgr.
func (s *Stage) SetupWithManager(mgr manager.Manager) error {
	_, err := controller.NewTyped("fairlead", mgr, controller.TypedOptions[*bundle]{
		Reconciler:              reconcile.TypedFunc[*bundle](s.reconcile),
		MaxConcurrentReconciles: s.workers,
		NewQueue:                s.queue.queueOf,
		// The name only labels metrics. Two programs in one process, as in
		// tests, share the series.
		SkipNameValidation: new(true),
		LogConstructor:     func(**bundle) logr.Logger { return s.log },
	})
	if err != nil {
		return fmt.Errorf("set up the reconcile stage: %w", err)
	}
	return nil
}

// ForgetCluster forgets a cluster that left the fleet, of which nothing is in a lane any more:
// its series, and what the sink has refused of it. A destination that has a method of this
// name is told, too. If a sink that hangs has changes of the cluster in work, they are counted
// when it answers, and then the cluster is forgotten once more: the destination is told from
// within its call of tell then.
func (s *Stage) ForgetCluster(cluster string) {
	s.refusals.forgetCluster(cluster)
	if d, ok := s.destination.(interface{ ForgetCluster(string) }); ok {
		d.ForgetCluster(cluster)
	}
	labels := prometheus.Labels{"cluster": cluster}
	s.metrics.delivered.DeletePartialMatch(labels)
	s.metrics.failed.DeletePartialMatch(labels)
	s.metrics.superseded.DeletePartialMatch(labels)
	s.metrics.reread.DeletePartialMatch(labels)
	s.metrics.lag.DeletePartialMatch(labels)
}

// Refused returns what the sink has refused and not accepted since, by cluster.
func (s *Stage) Refused() []Refused { return s.refusals.list() }

// RefusalOf tells how often the sink has refused an object, and why; not ok: it has not, or
// has accepted it since.
func (s *Stage) RefusalOf(key pipeline.Key) (r Refusal, ok bool) { return s.refusals.of(key) }

// hashKey hashes the strings of a key independently, so that the processor works on
// all of them at once; the rotations tell them apart.
func hashKey(seed maphash.Seed, k pipeline.Key) uint64 {
	return maphash.String(seed, k.Name) ^
		bits.RotateLeft64(maphash.String(seed, k.Namespace), 17) ^
		bits.RotateLeft64(maphash.String(seed, k.Cluster), 37) ^
		bits.RotateLeft64(maphash.String(seed, k.Resource), 53)
}
