package app

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

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

// shownRegistry has metrics that are in another registry only while they are shown: those
// of a destination that is opened while one of its name is in use. Its methods may be
// called by any goroutine.
type shownRegistry struct {
	mu      sync.Mutex
	own     *prometheus.Registry // has all of them, which finds those that do not go together
	all     []prometheus.Collector
	shownIn prometheus.Registerer // nil: they are not
}

func newShownRegistry() *shownRegistry { return &shownRegistry{own: prometheus.NewRegistry()} }

// Register implements prometheus.Registerer.
func (r *shownRegistry) Register(c prometheus.Collector) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.own.Register(c); err != nil {
		return err
	}
	if r.shownIn != nil {
		if err := r.shownIn.Register(c); err != nil {
			r.own.Unregister(c)
			return err
		}
	}
	r.all = append(r.all, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *shownRegistry) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (r *shownRegistry) Unregister(c prometheus.Collector) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shownIn != nil {
		r.shownIn.Unregister(c)
	}
	return r.own.Unregister(c)
}

// show has the metrics in another registry too.
func (r *shownRegistry) show(in prometheus.Registerer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shownIn = in
	var errs []error
	for _, c := range r.all {
		errs = append(errs, in.Register(c))
	}
	return errors.Join(errs...)
}

// hide takes the metrics out of the registry that they are shown in.
func (r *shownRegistry) hide() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shownIn == nil {
		return
	}
	for _, c := range r.all {
		r.shownIn.Unregister(c)
	}
	r.shownIn = nil
}
