package app

import (
	"context"
	"io"
	"sync"

	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// setGlobalLoggers keeps a second run in one process, as in tests, from
// replacing what the goroutines of the first may still read.
var setGlobalLoggers sync.Once

// run follows the fleet until ctx ends, then drains. If ctx ends before it has begun, run
// returns nil: what was asked for is done.
func (s *settings) run(ctx context.Context, stdout, stderr io.Writer) error {
	log := newLeveledLogger(stderr, s.level, s.LogFormat)
	setGlobalLoggers.Do(func() {
		ctrllog.SetLogger(log)
		klog.SetLogger(log.V(1)) // client-go's own lines are for debugging
	})
	reg := newRegistry(metrics.Registry)
	defer reg.unregisterAll()
	p, err := newProgram(ctx, s, stdout, log, reg)
	switch {
	case err != nil && ctx.Err() != nil:
		log.Info("Asked to stop while it started", "brokenOff", redact.New().Text(err))
		return nil
	case err != nil:
		return err
	}
	return p.run(ctx)
}
