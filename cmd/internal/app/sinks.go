package app

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/internal/redact"
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
		_, checks := k.to.(sinks.Checker)
		k.batcher = batch.New(k.name, to, batch.Options{
			CheckFirst: checks,
			MinBatch:   spec.MinBatch, MaxBatch: spec.MaxBatch, MaxBytes: spec.MaxBytes, Concurrency: spec.Concurrency, Linger: spec.Linger,
			DeadLetter: dead,
			Log:        k.log,
			Metrics:    metrics,
		})
		all = append(all, k)
	}
	if unkept := s.unkept(); len(unkept) > 0 {
		p.log.Info("No sink keeps anything of resources that are watched; leave them out, or add a sink that keeps them", "resources", unkept)
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

// checkTimeout bounds one check of a sink, and the wait for another one that is under way.
const checkTimeout = 30 * time.Second

// startCheck checks the destination until it is good, or a write has told how it is. Only the
// first write waits for it, and not for long: what it asks may hang, and it writes nothing. One
// check at a time is under way. Each engine asks anew: files with credentials may have changed
// with the settings.
func (k *sink) startCheck(ctx context.Context, c sinks.Checker) {
	k.checks.Go(func() {
		k.batcher.Check(ctx, func(ctx context.Context) error {
			turn, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			if !k.lockCheck(turn) {
				return errors.New("the check before this one has not ended; the destination does not answer")
			}
			defer k.checking.Unlock()
			if err := ctx.Err(); err != nil {
				return err // it may be closed
			}
			own, cancel := context.WithTimeout(ctx, checkTimeout) // however long that has taken
			defer cancel()
			err := redact.New().Error(c.Check(own))
			if sinks.IsCaution(err) {
				k.log.Error(err, "The sink's destination can be written to, and is not as it should be")
				err = nil
			}
			return err
		})
	})
}

// lockCheck takes the turn to check the destination, after a check that is under way; not ok
// if that has not ended when ctx does.
func (k *sink) lockCheck(ctx context.Context) (ok bool) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !k.checking.TryLock() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
