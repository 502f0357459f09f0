package app

import (
	"context"
	"io"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// setGlobalLoggers keeps a second run in one process, as in tests, from
// replacing what the goroutines of the first may still read.
var setGlobalLoggers sync.Once

// run follows the fleet until ctx ends, then drains.
func (s *settings) run(ctx context.Context, stdout, stderr io.Writer) error {
	log := newLeveledLogger(stderr, s.level, s.LogFormat)
	setGlobalLoggers.Do(func() {
		ctrllog.SetLogger(log)
		klog.SetLogger(log.V(1)) // client-go's own lines are for debugging
	})
	reg := &registry{Registerer: metrics.Registry}
	defer reg.unregisterAll()
	p, err := newProgram(ctx, s, stdout, log, reg)
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// registry remembers what was registered, so that a program that has ended
// leaves nothing in the process-wide registry.
type registry struct {
	prometheus.Registerer
	collectors []prometheus.Collector
}

func (r *registry) Register(c prometheus.Collector) error {
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.collectors = append(r.collectors, c)
	return nil
}

func (r *registry) MustRegister(cs ...prometheus.Collector) {
	r.Registerer.MustRegister(cs...)
	r.collectors = append(r.collectors, cs...)
}

func (r *registry) unregisterAll() {
	for _, c := range r.collectors {
		r.Unregister(c)
	}
}
