package pipeline

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// ChangeQueue is the queue of the program: its items carry a change, and the
// newest change of a key replaces an older one that still waits.
type ChangeQueue = Queue[*Change, Key]

// NewChangeQueue returns a ChangeQueue. Of the options, Cluster, Identity and
// Size are set here, and DropOnShutDown: who wants a drain calls Stop before the
// stage's manager ends, and after a lost lease nothing more is begun.
func NewChangeQueue(o QueueOptions[*Change, Key]) *ChangeQueue {
	o.Cluster = func(c *Change) string { return c.Key.Cluster }
	o.Identity = func(c *Change) Key { return c.Key }
	o.Size = (*Change).Size
	o.DropOnShutDown = true
	return NewQueue(o)
}

// Destination hands changes to one sink. Deliver blocks until the sink has
// durably accepted all of the changes, those of one key in their order; it fails
// only when ctx or the destination ends. It is called by many workers at once,
// but never by two for the same key.
//
// It calls accepted with the index of each change, once, as soon as the sink has
// that one, whatever becomes of the others, from the goroutine that called it and
// before it returns. A destination keeps nothing of a change that was accepted.
// A change that it has not told of when it returns is delivered again, also if it
// returns nil.
type Destination interface {
	Deliver(ctx context.Context, accepted func(i int), changes ...*Change) error
}

// StageOptions say what a Stage works with.
type StageOptions struct {
	Queue        *ChangeQueue
	Destinations []Destination // at least one; a change is acked when all have it
	// Workers is how many deliveries may be under way at the same time. As long
	// as the sinks take no longer than 20 ms for what they get, and would take
	// about 100 ms at most if all workers were busy, a delivery is of up to 16
	// changes or 64 KiB, whatever comes first; else of fewer, and of a single one
	// at the least.
	Workers int
	// Registerer receives the stage's metrics. Required.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// Stage is the reconcile stage: the one place where changes meet sinks. It
// takes changes from the queue, hands the deletions of what each replaced and
// then itself to every destination, and acks it. The workers around it are a
// controller-runtime controller's.
type Stage struct {
	queue        *bundles
	destinations []Destination
	workers      int
	log          logr.Logger
	metrics      *stageMetrics
}

// NewStage returns a stage that does nothing until the manager it is set up
// with starts.
func NewStage(o StageOptions) (*Stage, error) {
	if len(o.Destinations) == 0 {
		return nil, fmt.Errorf("a stage needs at least one destination")
	}
	m, err := newStageMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	return &Stage{
		queue:        newBundles(o.Queue, o.Workers),
		destinations: o.Destinations,
		workers:      o.Workers,
		log:          o.Log,
		metrics:      m,
	}, nil
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

// ForgetCluster drops the series of a cluster that left the fleet.
func (s *Stage) ForgetCluster(cluster string) {
	labels := prometheus.Labels{"cluster": cluster}
	s.metrics.delivered.DeletePartialMatch(labels)
	s.metrics.failed.DeletePartialMatch(labels)
	s.metrics.lag.DeletePartialMatch(labels)
}

type stageMetrics struct {
	delivered *prometheus.CounterVec
	failed    *prometheus.CounterVec
	lag       *prometheus.HistogramVec
}

func newStageMetrics(r prometheus.Registerer) (*stageMetrics, error) {
	m := &stageMetrics{
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_changes_delivered_total",
			Help: "Changes that every sink has durably accepted.",
		}, []string{"cluster", "resource", "op"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fairlead_changes_failed_total",
			Help: "Deliveries that were given up and go through the queue again, by reason.",
		}, []string{"cluster", "reason"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "fairlead_delivery_lag_seconds",
			Help:    "Time from reading a change to its acceptance by every sink.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10), // 1 ms to 4.4 min
		}, []string{"cluster"}),
	}
	for _, c := range []prometheus.Collector{m.delivered, m.failed, m.lag} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the reconcile stage's metrics: %w", err)
		}
	}
	return m, nil
}
