package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sinks/fenced"
)

// sink is one --sink at work.
type sink struct {
	name    string // its identity
	spec    *sinks.Spec
	to      pipeline.Sink
	log     logr.Logger
	batcher *batch.Batcher
}

type openSinks []*sink

// openSinks opens all sinks, or none and tells all that is wrong. What a sink
// refuses for good goes to the dead letters, if there are any.
func (p *program) openSinks(ctx context.Context) (openSinks, error) {
	metrics, err := batch.NewMetrics(p.registerer)
	if err != nil {
		return nil, err
	}
	var all openSinks
	var errs []error
	for _, spec := range p.settings.sinks {
		k, err := p.openSink(ctx, spec, metrics)
		if err != nil {
			errs = append(errs, fmt.Errorf("--sink %s: %w", spec.Identity, err))
			continue
		}
		all = append(all, k)
	}
	if err := errors.Join(errs...); err != nil {
		all.close(p.log)
		return nil, err
	}
	return all, nil
}

func (p *program) openSink(ctx context.Context, spec *sinks.Spec, metrics *batch.Metrics) (*sink, error) {
	name, log := spec.Identity, p.log.WithValues("sink", spec.Identity)
	k := &sink{name: name, spec: spec, log: log}
	env := sinks.Env{
		Log: log, UserAgent: p.settings.userAgent(), Stdout: p.stdout,
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"sink": name}, p.registerer),
	}
	err := p.whenFree(ctx, "sink "+name, func() (err error) {
		k.to, err = spec.Open(ctx, env)
		return err
	})
	if err != nil {
		return nil, err
	}
	to, dead := k.to, p.dead.of(name)
	if p.election != nil {
		to, dead = fenced.Sink(to, p.election.MayAct, p.election.Lose), fenced.DeadLetter(dead, p.election.MayAct)
	}
	k.batcher = batch.New(name, to, batch.Options{
		MinBatch: spec.MinBatch, MaxBatch: spec.MaxBatch, MaxBytes: spec.MaxBytes, Concurrency: spec.Concurrency, Linger: spec.Linger,
		DeadLetter: dead,
		Log:        log,
		Metrics:    metrics,
	})
	return k, nil
}

// sinkNames returns the sinks' identities, sorted.
func (s *settings) sinkNames() []string {
	all := make([]string, len(s.sinks))
	for i, spec := range s.sinks {
		all[i] = spec.Identity
	}
	slices.Sort(all)
	return all
}

// run writes until ctx ends. A signal on hangup makes sinks that can, and the file
// of the dead letters, be opened again.
func (ks openSinks) run(ctx context.Context, dead *deadLetters, hangup <-chan os.Signal) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range ks {
		g.Go(func() error { return k.batcher.Run(ctx) })
		if c, ok := k.to.(sinks.Checker); ok {
			g.Go(func() error {
				k.check(ctx, c)
				return nil
			})
		}
	}
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hangup:
				dead.reopen()
				for _, k := range ks {
					if r, ok := k.to.(sinks.Reopener); ok {
						r.Reopen()
					}
				}
			}
		}
	})
	return g.Wait()
}

// checkTimeout bounds the check of a sink.
const checkTimeout = 30 * time.Second

// check tells in the log whether the destination can be written to. What is wrong with
// it may pass, and each Write meets it anyway.
func (k *sink) check(ctx context.Context, c sinks.Checker) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := c.Check(ctx); err == nil {
		k.log.Info("Checked the sink's destination")
	} else if !errors.Is(ctx.Err(), context.Canceled) {
		k.log.Error(err, "The sink's destination is not ready; it is tried with every write")
	}
}

func (ks openSinks) close(log logr.Logger) {
	for _, k := range ks {
		if c, ok := k.to.(io.Closer); ok {
			if err := c.Close(); err != nil {
				log.Error(err, "Could not close a sink", "sink", k.name)
			}
		}
	}
}
