package bench

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sinks/batch"
)

// starter starts what brings the changes of two clusters to a sink, one that always has more,
// and one that has a change every 13 ms.
type starter func(b *testing.B, sink *slowSink) (stop func())

// startFlood starts a queue, a stage and a batcher before the sink, and the two clusters.
func startFlood(b *testing.B, sink *slowSink) (stop func()) {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	queue := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: "flood", LaneCapacity: 8192})
	batcher := batch.New("slow", sink, batch.Options{})
	stage, err := stage.New(stage.Options{
		Queue: queue, Destination: batcher, Workers: 64, Registerer: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	must(err)
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	must(err)
	must(stage.SetupWithManager(mgr))
	stops := startClusters(b, func() offer {
		return func(ctx context.Context, c *pipeline.Change) bool { return queue.Offer(ctx, c, 0) == nil }
	})
	stops = append(stops,
		background(b, func(ctx context.Context) { _ = mgr.Start(ctx) }), // nil when it is asked to stop
		background(b, func(ctx context.Context) { _ = batcher.Run(ctx) }),
	)
	return func() { stopAll(stops) }
}

// startByHand starts what is written by hand in place of queue, stage and batcher: a goroutine
// for each cluster, with a channel of its own, which takes one change after the other and
// writes it. The sink is locked for a write. Who waits for a lock for a millisecond gets it after
// one more write at the latest, so that the two clusters take turns.
func startByHand(b *testing.B, sink *slowSink) (stop func()) {
	var writing sync.Mutex
	var writers []func()
	stops := startClusters(b, func() offer {
		waiting := make(chan *pipeline.Change, 100)
		writers = append(writers, background(b, func(ctx context.Context) {
			for {
				select {
				case c := <-waiting:
					writing.Lock()
					_ = sink.Write(ctx, []*pipeline.Change{c}) // it cannot fail
					writing.Unlock()
				case <-ctx.Done():
					return
				}
			}
		}))
		return func(ctx context.Context, c *pipeline.Change) bool {
			select {
			case waiting <- c:
				return true
			case <-ctx.Done():
				return false
			}
		}
	})
	return func() { stopAll(append(stops, writers...)) }
}

func stopAll(stops []func()) {
	for _, stop := range stops {
		stop()
	}
}

// offer takes one cluster's changes. It blocks while it has no room, and returns false once ctx
// has ended.
type offer func(ctx context.Context, c *pipeline.Change) bool

// startClusters starts the clusters of a starter. to is called for each, and returns what takes
// its changes.
func startClusters(b *testing.B, to func() offer) (stops []func()) {
	start := func(cluster string, wait func(context.Context) bool) {
		take, origin := to(), &pipeline.Origin{Cluster: cluster, Kind: "ConfigMap", Resource: configMapsGVR}
		stops = append(stops, background(b, func(ctx context.Context) {
			for i := 0; ; i++ {
				c := &pipeline.Change{
					Key:    pipeline.Key{Cluster: cluster, Resource: "configmaps", Namespace: "ns", Name: strconv.Itoa(i)},
					Origin: origin, Op: pipeline.Updated, UID: "u", ResourceVersion: strconv.Itoa(i), Object: []byte(`{}`), Observed: time.Now(),
				}
				if !take(ctx, c) || !wait(ctx) {
					return
				}
			}
		}))
	}
	start("flood", func(context.Context) bool { return true })
	tick := time.NewTicker(13 * time.Millisecond)
	start("quiet", func(ctx context.Context) bool {
		select {
		case <-tick.C:
			return true
		case <-ctx.Done():
			tick.Stop()
			return false
		}
	})
	return stops
}
