package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/election"
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
	settings   *settings
	stdout     io.Writer
	log        logr.Logger
	registerer prometheus.Registerer
	hub        *rest.Config       // nil: nothing needs it
	election   *election.Election // nil: this process need not ask
	waitsFor   atomic.Pointer[string]

	servers       []*manager.Server
	healthAddress net.Addr // nil: health is not served
	adminAddress  net.Addr // nil: nothing can be asked for

	opened   chan struct{} // closed once what follows is there
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
	hangup   chan os.Signal
}

// newProgram makes all of the program or, with leader election, what a follower
// needs: the rest is made by open when it leads. It fails where anything cannot
// be used.
func newProgram(ctx context.Context, s *settings, stdout io.Writer, log logr.Logger, reg prometheus.Registerer) (_ *program, err error) {
	p := &program{
		settings: s, stdout: stdout, log: log, registerer: reg,
		opened: make(chan struct{}), started: make(chan struct{}), stopping: make(chan struct{}),
		hangup: make(chan os.Signal, 1),
	}
	defer func() {
		if err != nil {
			for _, server := range p.servers {
				err = errors.Join(err, server.Listener.Close())
			}
		}
	}()
	if p.hub, err = s.loadHub(); err != nil {
		return nil, err
	}
	if err := p.listen(); err != nil {
		return nil, err
	}
	if err := p.registerLeader(); err != nil {
		return nil, err
	}
	if !s.LeaderElect {
		return p, p.open(ctx)
	}
	// What is wrong with the fleet is told now, not by whoever leads one day.
	if err := fleet.New(fleet.Options{Providers: s.providers, Hub: p.hub}).Check(); err != nil {
		return nil, err
	}
	p.election, err = p.newElection(p.hub)
	return p, err
}

// open makes what delivers, from right to left. What other processes must not
// have open at the same time is opened here.
func (p *program) open(ctx context.Context) (err error) {
	s, log, reg := p.settings, p.log, p.registerer
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	// All that cannot be opened is told at once, too.
	var errs [3]error
	errs[2] = p.openLedger(ctx) // first, because it is closed last
	errs[0] = p.whenFree(ctx, "the dead letters", func() (err error) {
		p.dead, err = openDeadLetters(s.DeadLetter, log, reg)
		return err
	})
	p.sinks, errs[1] = p.openSinks(ctx)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}

	buckets, snapshots := s.buckets(), s.snapshotBuckets()
	p.queue = pipeline.NewChangeQueue(pipeline.QueueOptions[*pipeline.Change, pipeline.Key]{
		Name:         "fairlead",
		LaneCapacity: s.LaneCapacity,
		LaneBytes:    int64(s.LaneBytes),
		Buckets:      buckets,

		SnapshotBuckets: snapshots,
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
		return err
	}
	p.sources = sources.New(sources.Options{
		Config:  s.sources(),
		Specs:   s.specs,
		Queue:   p.queue,
		Ledger:  p.ledger,
		Limit:   s.limiter(p.queue, buckets, snapshots),
		Removed: stage.ForgetCluster,
		Log:     log,
	})
	p.fleet = fleet.New(fleet.Options{Providers: s.providers, Hub: p.hub, Handler: p.sources, NameHold: s.nameHold(), Log: log, Registerer: reg})
	if err := p.fleet.Check(); err != nil {
		return err
	}
	for _, c := range []prometheus.Collector{
		ledger.NewCollector(p.ledger.Status, p.ledgerSize()),
		ledger.NewClusterCollector(p.ledger.Clusters),
		pipeline.NewQueueCollector(p.queue.Lanes),
		connection.NewCollector(p.connectionStatus),
		stream.NewCollector(p.streamStatus),
		sources.NewTwinsCollector(p.sources),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	if err := p.setUpManager(stage); err != nil {
		return err
	}
	close(p.opened)
	return nil
}

// openLedger opens what --ledger names and reads it.
func (p *program) openLedger(ctx context.Context) (err error) {
	o := ledger.Options{Sinks: p.settings.sinkNames(), Retention: p.settings.LedgerRetention, Log: p.log}
	if path := p.settings.Ledger; path != memoryLedger {
		err := p.whenFree(ctx, "the ledger", func() (err error) {
			p.store, err = bolt.Open(path)
			return err
		})
		if err != nil {
			return fmt.Errorf("--ledger: %w", err)
		}
		o.Store = p.store
		if p.election != nil {
			o.Store = fencedStore{p.store, p.election.MayStore}
		}
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

// setUpManager makes the manager that runs the workers. It needs no hub: the
// placeholder it is given as one is never called.
func (p *program) setUpManager(stage *pipeline.Stage) error {
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger:                  p.log,
		Metrics:                 metricsserver.Options{BindAddress: "0"}, // our own servers serve
		HealthProbeBindAddress:  "0",                                     // followers too
		GracefulShutdownTimeout: new(stopGrace / 2),
	})
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := stage.SetupWithManager(mgr); err != nil {
		return err
	}
	p.manager = mgr
	return nil
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
