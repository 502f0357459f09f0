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
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/ledger"
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
	hub        *rest.Config           // nil: nothing needs it
	election   *election.Election     // nil: this process need not ask
	lock       resourcelock.Interface // of the election
	waitsFor   atomic.Pointer[string]

	label         *leaderLabel // nil: there is none
	leaderMetrics leaderMetrics

	servers       []*manager.Server
	healthAddress net.Addr // nil: health is not served
	adminAddress  net.Addr // nil: nothing can be asked for

	opened   chan struct{} // closed once what follows is there
	fleet    *fleet.Fleet
	sources  *sources.Sources
	sinks    openSinks
	routes   routes
	term     uint64 // of this process, see pipeline.Origin
	ledger   *ledger.Ledger
	store    ledger.Store // nil: the ledger is in memory
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
	if p.election, err = p.newElection(ctx); err != nil {
		return nil, err
	}
	p.label, err = p.newLeaderLabel()
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

	p.term = p.ledger.Term()
	if p.routes, err = p.openRoutes(); err != nil {
		return err
	}
	rules, err := p.rules(s.Selection)
	if err != nil {
		return err
	}
	p.sources = sources.New(sources.Options{
		Rules:    rules,
		RuleKeys: p.ruleKeys(),
		Config:   s.sources(),
		Specs:    s.specs,
		Routes:   p.routes.sources(),
		Ledger:   ledger.NewHandle(p.ledger, p.store),
		Limit:    p.routes.limit(s),
		Removed:  p.routes.forget,
		Term:     p.term,
		Log:      log,
	})
	p.fleet = fleet.New(fleet.Options{Providers: s.providers, Hub: p.hub, Handler: p.sources, NameHold: zeroIsNone(s.NameHold), Log: log, Registerer: reg})
	if err := p.fleet.Check(); err != nil {
		return err
	}
	for _, c := range []prometheus.Collector{
		ledger.NewCollector(p.ledger.Status, p.ledgerSize()),
		ledger.NewClusterCollector(p.ledger.Clusters),
		ledger.NewUnwatchedCollector(p.ledger.UnwatchedObjects),
		connection.NewCollector(p.connectionStatus),
		stream.NewCollector(p.streamStatus),
		sources.NewTwinsCollector(p.sources),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	if err := p.setUpManager(); err != nil {
		return err
	}
	close(p.opened)
	return nil
}

// openLedger opens what --ledger names and reads it.
func (p *program) openLedger(ctx context.Context) (err error) {
	o := ledger.Options{Routes: p.settings.sinkNames(), Retention: p.settings.LedgerRetention, Term: p.nextTerm, Log: p.log}
	if open := p.settings.store.Open; open != nil {
		err := p.whenFree(ctx, "the ledger", func() (err error) {
			p.store, err = open(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("--ledger: %w", err)
		}
		o.Store = p.store
		if p.election != nil {
			o.Store = ledger.Fenced(p.store, p.election.MayStore)
		}
	}
	if p.ledger, err = ledger.Open(ctx, o); err != nil {
		return fmt.Errorf("--ledger: %w", err)
	}
	return nil
}

// nextTerm returns the term of this process, given the highest that the ledger knows.
// With leader election it is higher than that of any process that has led before: also
// when somebody has deleted the record, with which its count may be lost.
func (p *program) nextTerm(highest uint64) uint64 {
	if p.election != nil {
		return max(p.election.Token(), highest+1)
	}
	return max(1, highest)
}

// ledgerSize returns what tells the size of the ledger's store; nil if it knows none.
func (p *program) ledgerSize() func() int64 {
	if s, ok := p.store.(ledger.Sizer); ok {
		return s.Size
	}
	return nil
}

// close lets go of files, after everything has stopped.
func (p *program) close() {
	p.sinks.close(p.log)
	p.dead.close()
	if c, ok := p.store.(io.Closer); ok {
		if err := c.Close(); err != nil {
			p.log.Error(err, "Could not close the ledger")
		}
	}
}

// setUpManager makes the manager that runs the workers. It needs no hub: the
// placeholder it is given as one is never called.
func (p *program) setUpManager() error {
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger:                  p.log,
		Metrics:                 metricsserver.Options{BindAddress: "0"}, // our own servers serve
		HealthProbeBindAddress:  "0",                                     // followers too
		GracefulShutdownTimeout: new(stopGrace / 2),
	})
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := p.routes.setUp(mgr); err != nil {
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
