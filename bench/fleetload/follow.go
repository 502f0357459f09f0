package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// follow is what `fairlead run` does, with a ledger in memory and a sink that
// counts and drops, until ctx ends.
func follow(ctx context.Context, s settings, out io.Writer) error {
	ctrllog.SetLogger(logr.Discard())
	providers, err := fleet.Parse([]string{"kubeconfig:" + s.kubeconfig})
	if err != nil {
		return err
	}
	specs, err := stream.ParseSpecs(s.shape.Resources)
	if err != nil {
		return err
	}
	known, err := ledger.Open(ctx, ledger.Options{})
	if err != nil {
		return err
	}
	queue := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{
		Name: "fleetload", Buckets: ratelimit.New(ratelimit.Limit{QPS: s.clusterQPS, Burst: int(math.Ceil(2 * s.clusterQPS))}),
	})
	count := &counter{}
	sink := batch.New("count", count, batch.Options{})
	stage, err := stage.New(stage.Options{
		Queue: queue, Destination: sink, Workers: s.workers, Registerer: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	if err != nil {
		return err
	}
	// The manager runs the workers. It needs no hub.
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		return err
	}
	if err := stage.SetupWithManager(mgr); err != nil {
		return err
	}
	members := sources.New(sources.Options{
		Config: sources.Config{Quota: sources.Quota{Objects: -1, Bytes: -1}}, // a fleet of any shape
		Specs:  specs, Routes: []sources.Route{{Name: "count", Queue: queue}}, Ledger: ledger.NewHandle(known, nil), Removed: stage.ForgetCluster, Log: logr.Discard(),
	})
	clusters := fleet.New(fleet.Options{Providers: providers, Handler: members, Log: logr.Discard()})

	// Stopped from left to right, like the program.
	var stops []func() error
	for _, run := range []func(context.Context) error{known.Run, sink.Run, mgr.Start, members.Run, clusters.Run} {
		stops = append(stops, background(ctx, run))
	}
	tellAll(ctx, s, out, count, queue, members)
	var errs []error
	for i := len(stops) - 1; i >= 0; i-- {
		errs = append(errs, stops[i]())
		if i == 3 { // nothing comes any more
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			if left := queue.Stop(drain); left > 0 {
				_, _ = fmt.Fprintf(out, "%d changes were still on their way\n", left)
			}
			cancel()
		}
	}
	total, _ := count.take()
	_, _ = fmt.Fprintf(out, "fairlead: %d changes delivered\n", total)
	return errors.Join(errs...)
}

// background starts run, which ends with the function returned and not with ctx.
func background(ctx context.Context, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}
