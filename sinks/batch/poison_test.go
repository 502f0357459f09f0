package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// picky accepts everything at once but what is of one cluster.
type picky struct {
	bad string
	mu  sync.Mutex
	got map[string]int
}

func (s *picky) Write(_ context.Context, all []*pipeline.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := map[int]error{}
	for i, c := range all {
		if c.Key.Cluster == s.bad {
			failed[i] = pipeline.Permanent(errors.New("value too long for column"))
			continue
		}
		s.got[c.Key.Cluster]++
	}
	if len(failed) > 0 {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

// route is a queue, a stage with a controller's workers, and a batcher, as a program
// has them.
type route struct {
	queue *stage.Queue
	stage *stage.Stage

	batcher *Batcher
	end     func()
}

func startRoute(t *testing.T, sink pipeline.Sink, o Options, limit ratelimit.Limit) *route {
	t.Helper()
	ctrllog.SetLogger(logr.Discard())
	r := &route{queue: stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{
		LaneCapacity: 8192, LaneBytes: 1 << 30, Buckets: ratelimit.New(limit),
	})}
	b, stop := start(t, sink, o)
	r.batcher = b
	var err error
	r.stage, err = stage.New(stage.Options{
		Queue: r.queue, Destination: b, Workers: 64, Registerer: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.stage.SetupWithManager(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	r.end = func() {
		cancel()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return r
}

func (r *route) offer(t *testing.T, cluster string, n int) {
	t.Helper()
	for i := range n {
		c := change(fmt.Sprint(i), 1)
		c.Key.Cluster, c.Observed = cluster, time.Now()
		if err := r.queue.Offer(t.Context(), c, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// However much of one cluster a sink refuses, the others get what is theirs, and the
// refused waits in its lane.
func TestPoisonOfOneClusterStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &picky{bad: "edge-1", got: map[string]int{}}
		r := startRoute(t, sink, Options{}, ratelimit.Limit{QPS: 200, Burst: 400})
		const poison = 200
		r.offer(t, sink.bad, poison)
		time.Sleep(2 * time.Second)
		want := map[string]int{}
		for i := range 20 {
			cluster := fmt.Sprint("good-", i)
			r.offer(t, cluster, 10)
			want[cluster] = 10
		}
		time.Sleep(time.Second)
		sink.mu.Lock()
		if diff := cmp.Diff(want, sink.got); diff != "" {
			t.Errorf("delivered of the healthy clusters (-want +got):\n%s", diff)
		}
		sink.mu.Unlock()
		for _, l := range r.queue.Lanes() {
			if l.Cluster == sink.bad && l.Live+l.Delayed+l.InFlight != poison {
				t.Errorf("lane of the poisoned cluster %+v, want %d changes", l, poison)
			}
		}
		if refused := r.stage.Refused(); len(refused) != 1 || refused[0].Cluster != sink.bad || refused[0].Changes != poison {
			t.Errorf("refused %+v, want %d of %s", refused, poison, sink.bad)
		}
		r.end()
	})
}
