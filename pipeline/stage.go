package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// ChangeQueue is the queue of the program: its items carry a change, and the
// newest change of a key replaces an older one that still waits.
type ChangeQueue = Queue[*Change, Key]

// NewChangeQueue returns a ChangeQueue. Of the options, Cluster, Identity and
// Size are set here.
func NewChangeQueue(o QueueOptions[*Change, Key]) *ChangeQueue {
	o.Cluster = func(c *Change) string { return c.Key.Cluster }
	o.Identity = func(c *Change) Key { return c.Key }
	o.Size = (*Change).Size
	return NewQueue(o)
}

// Destination hands changes to one sink. Deliver blocks until the sink has
// durably accepted all of the changes, in their order; it fails only when ctx
// or the destination ends. It is called by many workers at once, but never by
// two for the same key.
type Destination interface {
	Deliver(ctx context.Context, changes ...*Change) error
}

// StageOptions say what a Stage works with.
type StageOptions struct {
	Queue        *ChangeQueue
	Destinations []Destination // at least one; a change is acked when all have it
	// Workers is the number of changes that may be handed to sinks at the same
	// time, and so the largest batch that sinks see from this stage.
	Workers int
	// Registerer receives the stage's metrics. Required.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// Stage is the reconcile stage: the one place where changes meet sinks. It
// takes a change from the queue, hands the deletions of what it replaced and
// then itself to every destination, and acks it. It is a reconciler; the
// workers around it are a controller-runtime controller's.
type Stage struct {
	queue        *ChangeQueue
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
		queue:        o.Queue,
		destinations: o.Destinations,
		workers:      o.Workers,
		log:          o.Log,
		metrics:      m,
	}, nil
}

// SetupWithManager adds the stage's controller to mgr.
func (s *Stage) SetupWithManager(mgr manager.Manager) error {
	_, err := controller.NewTyped("fairlead", mgr, controller.TypedOptions[*Change]{
		Reconciler:              s,
		MaxConcurrentReconciles: s.workers,
		NewQueue: func(string, workqueue.TypedRateLimiter[*Change]) workqueue.TypedRateLimitingInterface[*Change] {
			return s.queue
		},
		// The name only labels metrics. Two programs in one process, as in
		// tests, share the series.
		SkipNameValidation: new(true),
		LogConstructor:     func(*(*Change)) logr.Logger { return s.log },
	})
	if err != nil {
		return fmt.Errorf("set up the reconcile stage: %w", err)
	}
	return nil
}

// Reconcile delivers c to every destination and acks it.
func (s *Stage) Reconcile(ctx context.Context, c *Change) (reconcile.Result, error) {
	batch, err := s.begin(ctx, c)
	if err != nil {
		s.metrics.failed.WithLabelValues(c.Key.Cluster, "ledger").Inc()
		return reconcile.Result{}, fmt.Errorf("note %s before its delivery: %w", c.Key, err)
	}
	if err := s.deliver(ctx, batch); err != nil {
		s.metrics.failed.WithLabelValues(c.Key.Cluster, "interrupted").Inc()
		return reconcile.Result{}, fmt.Errorf("deliver %s: %w", c.Key, err)
	}
	if t := c.Origin.Tracker; t != nil {
		t.Ack(c)
	}
	s.metrics.delivered.WithLabelValues(c.Key.Cluster, c.Key.Resource, c.Op.String()).Inc()
	if ghosts := len(batch) - 1; ghosts > 0 {
		s.metrics.delivered.WithLabelValues(c.Key.Cluster, c.Key.Resource, Deleted.String()).Add(float64(ghosts))
	}
	s.metrics.lag.WithLabelValues(c.Key.Cluster).Observe(time.Since(c.Observed).Seconds())
	return reconcile.Result{}, nil
}

// begin returns what is to be delivered for c: the deletions of the UIDs whose
// place it takes, then c.
func (s *Stage) begin(ctx context.Context, c *Change) ([]*Change, error) {
	t := c.Origin.Tracker
	if t == nil {
		return []*Change{c}, nil
	}
	ghosts, err := t.Begin(ctx, c)
	if err != nil {
		return nil, err
	}
	batch := make([]*Change, 0, len(ghosts)+1)
	for _, uid := range ghosts {
		batch = append(batch, &Change{
			Key:             c.Key,
			Origin:          c.Origin,
			Op:              Deleted,
			UID:             uid,
			ResourceVersion: c.ResourceVersion,
			Snapshot:        c.Snapshot,
			Tombstone:       true,
			Observed:        c.Observed,
		})
	}
	return append(batch, c), nil
}

// deliver hands the batch to all destinations at the same time, so that a slow
// one costs no more than itself.
func (s *Stage) deliver(ctx context.Context, batch []*Change) error {
	if len(s.destinations) == 1 {
		return s.destinations[0].Deliver(ctx, batch...)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(s.destinations))
	for i, d := range s.destinations {
		wg.Go(func() { errs[i] = d.Deliver(ctx, batch...) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
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
