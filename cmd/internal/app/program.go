package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// program is everything that `fairlead run` runs, from the sources on the left
// of the picture to the sinks on its right.
type program struct {
	settings *settings
	log      logr.Logger
	fleet    *fleet.Fleet
	sources  *sources.Sources
	queue    *pipeline.ChangeQueue
	sinks    sinks
	ledger   *ledger.Ledger
	store    *bolt.Store // nil: the ledger is in memory
	manager  manager.Manager
	started  chan struct{} // closed once sources run

	healthAddress net.Addr // nil: health is not served
}

func newProgram(ctx context.Context, s *settings, stdout io.Writer, log logr.Logger, reg prometheus.Registerer) (_ *program, err error) {
	p := &program{settings: s, log: log, started: make(chan struct{})}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.sinks, err = openSinks(s, stdout, log, reg); err != nil {
		return nil, err
	}
	if err := p.openLedger(ctx); err != nil {
		return nil, err
	}

	buckets := s.buckets()
	p.queue = pipeline.NewChangeQueue(pipeline.QueueOptions[*pipeline.Change, pipeline.Key]{
		Name:         "fairlead",
		LaneCapacity: s.LaneCapacity,
		LaneBytes:    int64(s.LaneBytes),
		Buckets:      buckets,
	})
	for _, l := range s.limits {
		p.queue.SetWeight(l.cluster, l.weight)
	}
	stage, err := pipeline.NewStage(pipeline.StageOptions{
		Queue:        p.queue,
		Destinations: p.sinks.destinations(),
		Workers:      s.Workers,
		Registerer:   reg,
		Log:          log,
	})
	if err != nil {
		return nil, err
	}
	p.sources = sources.New(sources.Options{
		Config:  s.sources(),
		Specs:   s.specs,
		Queue:   p.queue,
		Ledger:  p.ledger,
		Limit:   s.limiter(p.queue, buckets),
		Removed: stage.ForgetCluster,
		Log:     log,
	})
	hub, err := s.loadHub()
	if err != nil {
		return nil, err
	}
	p.fleet = fleet.New(fleet.Options{Providers: s.providers, Hub: hub, Handler: p.sources, Log: log, Registerer: reg})
	if err := p.fleet.Check(); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{
		pipeline.NewQueueCollector(p.queue.Lanes),
		connection.NewCollector(p.connectionStatus),
		stream.NewCollector(p.streamStatus),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if err := p.setUpManager(stage); err != nil {
		return nil, err
	}
	return p, nil
}

// openLedger opens what --ledger names and reads it.
func (p *program) openLedger(ctx context.Context) (err error) {
	o := ledger.Options{Retention: p.settings.LedgerRetention, Log: p.log}
	if path := p.settings.Ledger; path != memoryLedger {
		if p.store, err = bolt.Open(path); err != nil {
			return fmt.Errorf("--ledger: %w", err)
		}
		o.Store = p.store
	}
	if p.ledger, err = ledger.Open(ctx, o); err != nil {
		return fmt.Errorf("--ledger: %w", err)
	}
	return nil
}

// close lets go of files, after everything has stopped.
func (p *program) close() {
	p.sinks.close(p.log)
	if p.store == nil {
		return
	}
	if err := p.store.Close(); err != nil {
		p.log.Error(err, "Could not close the ledger")
	}
}

// setUpManager makes the manager that runs the workers and serves metrics and
// health. It needs no hub: the placeholder it is given as one is never called.
func (p *program) setUpManager(stage *pipeline.Stage) error {
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger:                  p.log,
		Metrics:                 metricsserver.Options{BindAddress: p.settings.MetricsBindAddress},
		HealthProbeBindAddress:  "0", // served beside /clusters
		GracefulShutdownTimeout: new(10 * time.Second),
	})
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := stage.SetupWithManager(mgr); err != nil {
		return err
	}
	if address := p.settings.HealthProbeBindAddress; address != "0" {
		var listen net.ListenConfig
		listener, err := listen.Listen(context.Background(), "tcp", address)
		if err != nil {
			return fmt.Errorf("--health-probe-bind-address: listen on %q: %w; choose another address, or 0 for none", address, err)
		}
		p.healthAddress = listener.Addr()
		if err := mgr.Add(p.healthServer(listener)); err != nil {
			return errors.Join(fmt.Errorf("serve health: %w", err), listener.Close())
		}
	}
	p.manager = mgr
	return nil
}

// run starts everything and, when ctx ends, stops it from left to right:
// first the reading, then what waits drains into the sinks, then the workers
// and the sinks, and last the ledger, which then knows all that was accepted.
func (p *program) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	var wg sync.WaitGroup
	base := context.WithoutCancel(ctx)
	failed := make(chan error, 5) // what ended although nobody asked it to
	start := func(what string, run func(context.Context) error) (stop func()) {
		runCtx, cancel := context.WithCancel(base)
		ended := make(chan struct{})
		wg.Go(func() {
			defer close(ended)
			err := run(runCtx)
			if runCtx.Err() == nil {
				failed <- fmt.Errorf("%s ended: %w", what, err)
			} else if err != nil {
				p.log.Error(err, "Stopped with an error", "part", what)
			}
		})
		return func() { cancel(); <-ended }
	}
	stopLedger := start("the ledger", p.ledger.Run)
	stopSinks := start("the sinks", func(ctx context.Context) error { return p.sinks.run(ctx, hangup) })
	stopManager := start("the manager", p.manager.Start)
	stopSources := start("the sources", p.sources.Run)
	stopFleet := start("the fleet", p.fleet.Run)
	close(p.started)
	p.log.Info("Started", "version", p.settings.options.Version, "watch", len(p.settings.specs), "sinks", len(p.sinks))

	var err error
	select {
	case <-ctx.Done():
		p.log.Info("Asked to stop; reading stops, what waits is drained", "timeout", p.settings.DrainTimeout)
	case err = <-failed:
		p.log.Error(err, "Stopping, because a part of the program ended")
	}
	stopFleet()
	stopSources()
	drain, cancel := context.WithTimeout(base, p.settings.DrainTimeout)
	left := p.queue.Stop(drain)
	cancel()
	stopManager()
	stopSinks()
	stopLedger()
	wg.Wait()
	p.close()
	p.log.Info("Stopped", "undelivered", left)
	return err
}

func (p *program) connectionStatus() []connection.Status {
	var all []connection.Status
	for _, m := range p.sources.Status() {
		all = append(all, m.Connection)
	}
	return all
}

func (p *program) streamStatus() []stream.Status {
	var all []stream.Status
	for _, m := range p.sources.Status() {
		all = append(all, m.Streams...)
	}
	return all
}
