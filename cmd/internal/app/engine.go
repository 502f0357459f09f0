package app

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources"
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
		Limit:    p.limiter.limit,
		Removed: func(cluster string) {
			e.routes.forget(cluster)
			p.limiter.forget(cluster)
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
	e.stopSources = ps.start("the sources", e.sources.Run)
	p.members.attach(e.sources)
	p.log.Info("Started", "version", e.settings.options.Version, "watch", len(e.settings.specs), "sinks", len(e.sinks))
}

// stop stops the engine from left to right: first the reading, then what waits drains
// into the sinks, then the workers and the sinks. It returns how many changes are left.
func (e *engine) stop(p *program, ps *parts, drain time.Duration) (left int) {
	p.members.detach()
	e.stopSources()
	draining, cancel := context.WithTimeout(ps.term, drain)
	defer cancel()
	left = e.routes.stop(draining)
	e.stopManager()
	e.stopDead()
	e.stopSinks()
	return left
}

// close lets go of what has the engine in its hands, after it has stopped.
func (e *engine) close() { e.registry.unregisterAll() }

// current returns the engine that delivers, or did last; nil: none has been made yet.
func (p *program) current() *engine { return p.engine.Load() }

// registry remembers what was registered, so that what has ended leaves nothing in a
// registry that outlives it. One goroutine at a time uses it.
type registry struct {
	prometheus.Registerer
	collectors []prometheus.Collector
}

// newRegistry returns one over another, which does not remember the same again.
func newRegistry(over prometheus.Registerer) *registry {
	if r, ok := over.(*registry); ok {
		over = r.Registerer
	}
	return &registry{Registerer: over}
}

// Register implements prometheus.Registerer.
func (r *registry) Register(c prometheus.Collector) error {
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.collectors = append(r.collectors, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *registry) MustRegister(cs ...prometheus.Collector) {
	r.Registerer.MustRegister(cs...)
	r.collectors = append(r.collectors, cs...)
}

func (r *registry) unregisterAll() {
	for _, c := range r.collectors {
		r.Unregister(c)
	}
	r.collectors = nil
}
