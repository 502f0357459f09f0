package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
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
	store    *bolt.Store  // nil: the ledger is in memory
	dead     *deadLetters // nil: there are none
	manager  manager.Manager
	started  chan struct{} // closed once sources run
	stopping chan struct{} // closed when the program begins to stop

	listeners     []net.Listener // the manager's, once it runs
	healthAddress net.Addr       // nil: health is not served
	adminAddress  net.Addr       // nil: nothing can be asked for
}

func newProgram(ctx context.Context, s *settings, stdout io.Writer, log logr.Logger, reg prometheus.Registerer) (_ *program, err error) {
	p := &program{settings: s, log: log, started: make(chan struct{}), stopping: make(chan struct{})}
	defer func() {
		if err != nil {
			for _, l := range p.listeners {
				err = errors.Join(err, l.Close())
			}
			p.close()
		}
	}()
	// All that cannot be opened is told at once, too.
	var errs [3]error
	p.dead, errs[0] = openDeadLetters(s.DeadLetter, log, reg)
	p.sinks, errs[1] = openSinks(s, p.dead, stdout, log, reg)
	errs[2] = p.openLedger(ctx)
	if err := errors.Join(errs[:]...); err != nil {
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
		ledger.NewCollector(p.ledger.Status, p.ledgerSize()),
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
	o := ledger.Options{Sinks: p.sinks.names(), Retention: p.settings.LedgerRetention, Log: p.log}
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

// ledgerSize returns what tells the size of the ledger's file; nil if there is
// none.
func (p *program) ledgerSize() func() int64 {
	if p.store == nil {
		return nil
	}
	return p.store.Size
}

// close lets go of files, after everything has stopped.
func (p *program) close() {
	p.sinks.close(p.log)
	p.dead.close()
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
		Metrics:                 metricsserver.Options{BindAddress: "0"}, // these two are served below,
		HealthProbeBindAddress:  "0",                                     // so that a bad address is told before anything starts
		GracefulShutdownTimeout: new(stopGrace / 2),
	})
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := stage.SetupWithManager(mgr); err != nil {
		return err
	}
	if _, err = p.serve(mgr, "metrics-bind-address", p.settings.MetricsBindAddress, metricsServer); err != nil {
		return err
	}
	if p.healthAddress, err = p.serve(mgr, "health-probe-bind-address", p.settings.HealthProbeBindAddress, p.healthServer); err != nil {
		return err
	}
	if p.adminAddress, err = p.serve(mgr, "admin-bind-address", p.settings.AdminBindAddress, p.adminServer); err != nil {
		return err
	}
	p.manager = mgr
	return nil
}

// serve adds a server on the address that a flag names, and returns where it
// listens. 0 is no server.
func (p *program) serve(mgr manager.Manager, flag, address string, server func(net.Listener) *manager.Server) (net.Addr, error) {
	if address == "0" {
		return nil, nil
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--%s: listen on %q: %w; choose another address, or 0 for none", flag, address, err)
	}
	p.listeners = append(p.listeners, listener)
	s := server(listener)
	if err := mgr.Add(s); err != nil {
		return nil, fmt.Errorf("serve %s: %w", s.Name, err)
	}
	return listener.Addr(), nil
}

// stopGrace is how long a part of the program may take to stop. Each needs
// milliseconds, but for the manager, which waits for its workers.
const stopGrace = 5 * time.Second

// run starts everything and, when ctx ends, stops it from left to right:
// first the reading, then what waits drains into the sinks, then the workers
// and the sinks, and last the ledger, which then knows all that was accepted.
func (p *program) run(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	base := context.WithoutCancel(ctx)
	failed := make(chan error, 6) // what ended although nobody asked it to
	start := func(what string, run func(context.Context) error) (stop func()) {
		runCtx, cancel := context.WithCancel(base)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err := run(runCtx)
			if runCtx.Err() == nil {
				failed <- fmt.Errorf("%s ended: %w", what, err)
			} else if err != nil {
				p.log.Error(err, "Stopped with an error", "part", what)
			}
		}()
		return func() {
			cancel()
			select {
			case <-ended:
			case <-time.After(stopGrace):
				// One member's credential plugin that hangs, say. It must not
				// keep the changes of the others from the sinks.
				p.log.Info("Goes on although a part has not stopped in time", "part", what, "grace", stopGrace)
			}
		}
	}
	stopLedger := start("the ledger", p.ledger.Run)
	stopSinks := start("the sinks", func(ctx context.Context) error { return p.sinks.run(ctx, p.dead, hangup) })
	stopDead := start("the dead letters", func(ctx context.Context) error { return p.dead.run(ctx, p.sources) })
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
	close(p.stopping)
	stopFleet()
	stopSources()
	drain, cancel := context.WithTimeout(base, p.settings.DrainTimeout)
	left := p.queue.Stop(drain)
	cancel()
	stopManager()
	stopDead()
	stopSinks()
	stopLedger()
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
