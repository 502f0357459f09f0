package app

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// engine is what delivers, with one set of settings. When they change, another engine
// takes its place, with the same ledger, fleet and dead letters:
//
//	fleet ──▶ members ──▶ │ sources ──▶ routes ──▶ sinks │ ──▶ destinations
//	                      └────────── engine ────────────┘     (kept, if they are in both)
type engine struct {
	settings *settings
	registry *registry // its metrics, which go with it
	sources  *sources.Sources
	sinks    openSinks
	routes   routes
	memory   *budget.Budget // of all routes
	manager  manager.Manager

	stopSinks, stopDead, stopManager, stopSources func()
}

// newEngine makes an engine that writes to destinations, which has what settings name.
// It starts nothing.
func (p *program) newEngine(s *settings, open destinations) (_ *engine, err error) {
	e := &engine{settings: s, registry: newRegistry(p.registerer)}
	defer func() {
		if err != nil {
			e.registry.unregisterAll()
		}
	}()
	if e.sinks, err = p.newSinks(s, open, e.registry); err != nil {
		return nil, err
	}
	if e.routes, err = p.newRoutes(e); err != nil {
		return nil, err
	}
	rules, err := p.rules(s, s.Selection)
	if err != nil {
		return nil, err
	}
	e.sources = sources.New(sources.Options{
		Rules:    rules,
		RuleKeys: p.ruleKeys(s),
		Config:   s.sources(),
		Specs:    s.specs,
		Excluded: s.excluded,
		Routes:   e.routes.sources(),
		Ledger:   ledger.NewHandle(p.ledger, p.store),
		// What has stopped, and may hang, has no say any more.
		Limit: func(cluster string, asked fleet.Limits) {
			if p.current() == e {
				p.limiter.limit(cluster, asked)
			}
		},
		Removed: func(cluster string) {
			e.routes.forget(cluster)
			if p.current() == e {
				p.limiter.forget(cluster)
			}
		},
		Term: p.term,
		Log:  p.log,
	})
	if err := e.registry.Register(sources.NewTwinsCollector(e.sources)); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := e.setUpManager(p); err != nil {
		return nil, err
	}
	p.limiter.open(e.routes)
	p.orders.open(e)
	return e, nil
}

// setUpManager makes the manager that runs the workers. It needs no hub: the
// placeholder it is given as one is never called.
func (e *engine) setUpManager(p *program) error {
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger:                  p.log,
		Metrics:                 metricsserver.Options{BindAddress: "0"}, // our own servers serve
		HealthProbeBindAddress:  "0",                                     // followers too
		GracefulShutdownTimeout: new(stopGrace / 2),
	})
	if err != nil {
		return fmt.Errorf("set up the manager: %w", err)
	}
	if err := e.routes.setUp(mgr); err != nil {
		return err
	}
	e.manager = mgr
	return nil
}

// start starts the engine from right to left.
func (e *engine) start(p *program, ps *parts) {
	e.stopSinks = ps.start("the sinks", func(ctx context.Context) error { return e.sinks.run(ctx, p.dead, p.hangup) })
	e.stopDead = ps.start("the dead letters", func(ctx context.Context) error { return p.dead.run(ctx, e.sources) })
	e.stopManager = ps.start("the manager", e.manager.Start)
	e.stopSources = ps.start(partSources, e.sources.Run)
	p.members.attach(e.sources)
	p.log.Info("Started", "version", e.settings.options.Version, "watch", len(e.settings.specs), "sinks", len(e.sinks))
}

// stop stops the engine from left to right: first the reading, then what waits drains
// into the sinks, then the workers and the sinks. It returns how many changes are left.
func (e *engine) stop(draining context.Context, p *program, ps *parts) (left int) {
	p.members.detach()
	e.stopSources()
	left = e.routes.stop(draining)
	e.stopManager()
	e.stopDead()
	e.stopSinks()
	return left
}

// drain returns a context that ends when what waits has had its time: the time of the
// settings or, unless asked ends meanwhile, one that is shorter.
func (e *engine) drain(asked context.Context, ps *parts, shorter time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ps.term, e.settings.DrainTimeout)
	timer := time.AfterFunc(shorter, func() {
		if asked.Err() == nil {
			cancel()
		}
	})
	return ctx, func() {
		timer.Stop()
		cancel()
	}
}

// close lets go of what has the engine in its hands, after it has stopped.
func (e *engine) close() { e.registry.unregisterAll() }

// current returns the engine that delivers, or did last; nil: none has been made yet.
func (p *program) current() *engine { return p.engine.Load() }
