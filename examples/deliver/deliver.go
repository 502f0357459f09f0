package main

import (
	"context"
	"errors"
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
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// deliver writes every change of the ConfigMaps of many clusters to a sink, until ctx
// ends. The clusters are "kubeconfig:FILE" or "dir:PATH"; other kinds need a hub, which
// this program does not have. What the sink has accepted is remembered in the ledger, such
// as "bolt:changes.ledger", and is not delivered again after a restart.
func deliver(ctx context.Context, clusters, ledgerAt string, sink pipeline.Sink, log logr.Logger) error {
	providers, err := fleet.Parse([]string{clusters})
	if err != nil {
		return err
	}
	specs, err := sources.ParseSpecs("configmaps")
	if err != nil {
		return err
	}
	const route = "table" // the sink's name in the ledger and in metrics
	ledger, err := sources.OpenLedger(ctx, ledgerAt, sources.LedgerOptions{Routes: []string{route}, Log: log})
	if err != nil {
		return err
	}
	// Each cluster has up to 16 MiB of changes in its lane, and no limit on changes per second.
	lanes := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{Name: route})
	batcher := batch.New(route, sink, batch.Options{Log: log})
	workers, err := stage.New(stage.Options{Queue: lanes, Destination: batcher, Registerer: prometheus.NewRegistry(), Log: log})
	if err != nil {
		return errors.Join(err, ledger.Close())
	}
	// The manager runs the workers. It needs no cluster for that.
	mgr, err := manager.New(&rest.Config{Host: "https://none.invalid"}, manager.Options{Logger: log, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err == nil {
		err = workers.SetupWithManager(mgr)
	}
	if err != nil {
		return errors.Join(err, ledger.Close())
	}
	changes := sources.New(sources.Options{
		Specs: specs, Routes: []sources.Route{{Name: route, Queue: lanes}}, Ledger: ledger, Removed: workers.ForgetCluster, Log: log,
	})
	members := fleet.New(fleet.Options{Providers: providers, Handler: changes, Log: log})

	drain := func(ctx context.Context) error { // once nothing more comes, for 20 s at most
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		lanes.Stop(ctx)
		return nil
	}
	return errors.Join(inTurn(ctx, ledger.Run, batcher.Run, mgr.Start, drain, changes.Run, members.Run), ledger.Close())
}

// inTurn runs all functions until ctx ends or one of them returns. Then it ends them one
// after the other, the last one first.
func inTurn(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ends []func() error
	for _, run := range runs {
		own, end := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		go func() {
			done <- run(own)
			cancel()
		}()
		ends = append(ends, func() error {
			end()
			return <-done
		})
	}
	<-ctx.Done()
	var errs []error
	for i := range ends {
		errs = append(errs, ends[len(ends)-1-i]())
	}
	return errors.Join(errs...)
}
