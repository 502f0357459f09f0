package app

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sinks/fenced"
)

// sink is one --sink at work: a destination, and group commit and retry around it.
type sink struct {
	*destination
	spec    *sinks.Spec
	batcher *batch.Batcher
}

type openSinks []*sink

// newSinks makes the sinks of settings, whose destinations are open. What a sink refuses
// for good goes to the dead letters, if there are any.
func (p *program) newSinks(s *settings, open destinations, reg prometheus.Registerer) (all openSinks, err error) {
	metrics, err := batch.NewMetrics(reg)
	if err != nil {
		return nil, err
	}
	for _, spec := range s.sinks {
		k := &sink{destination: open[spec.Identity], spec: spec}
		to, dead := k.to, p.dead.of(k.name)
		if p.election != nil {
			to, dead = fenced.Sink(to, p.election.MayAct, p.election.Lose), fenced.DeadLetter(dead, p.election.MayAct)
		}
		k.batcher = batch.New(k.name, to, batch.Options{
			MinBatch: spec.MinBatch, MaxBatch: spec.MaxBatch, MaxBytes: spec.MaxBytes, Concurrency: spec.Concurrency, Linger: spec.Linger,
			DeadLetter: dead,
			Log:        k.log,
			Metrics:    metrics,
		})
		all = append(all, k)
	}
	return all, nil
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
			k.startCheck(ctx, c)
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

// startCheck checks the destination, if that has not been done, and is not waited for: what it
// asks may hang, and it writes nothing. One check at a time is under way.
func (d *destination) startCheck(ctx context.Context, c sinks.Checker) {
	if !d.checking.TryLock() {
		return
	}
	go func() {
		defer d.checking.Unlock()
		d.checked = d.checked || d.check(ctx, c)
	}()
}

// check tells in the log whether the destination can be written to. What is wrong with
// it may pass, and each Write meets it anyway. It is not done if ctx ends before.
func (d *destination) check(ctx context.Context, c sinks.Checker) (done bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := c.Check(ctx); err == nil {
		d.log.Info("Checked the sink's destination")
	} else if !errors.Is(ctx.Err(), context.Canceled) {
		d.log.Error(err, "The sink's destination is not ready; it is tried with every write")
	}
	return !errors.Is(ctx.Err(), context.Canceled)
}
