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
	checker sinks.Checker // checks the destination when the sink runs; nil if nothing does
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
		if !k.good.Load() {
			k.checker, _ = k.to.(sinks.Checker)
		}
		k.batcher = batch.New(k.name, to, batch.Options{
			CheckFirst: k.checker != nil,
			MinBatch:   spec.MinBatch, MaxBatch: spec.MaxBatch, MaxBytes: spec.MaxBytes, Concurrency: spec.Concurrency, Linger: spec.Linger,
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
		g.Go(func() error {
			err := k.batcher.Run(ctx)
			if !k.batcher.Status().Healthy {
				k.good.Store(false) // whoever writes next begins with a check
			}
			return err
		})
		if k.checker != nil {
			k.startCheck(ctx, k.checker)
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
// check at a time is under way.
//
// A destination that was good stays so when settings change, unless it is opened anew, for other
// parameters, or it failed at the end: a check may leave an object with a store that ignores
// checksums, and nobody gains from being told again. Where only the content of a file with
// credentials has changed, the next write tells.
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
			return k.checkedLocked(redact.New().Error(c.Check(own)))
		})
	})
}

// checkedLocked takes in what a check has come to, and returns what keeps writes from being
// accepted. The log is told of a caution unless it was the last one.
func (k *sink) checkedLocked(err error) error {
	caution := ""
	switch {
	case sinks.IsCaution(err):
		if caution = err.Error(); caution != k.caution {
			k.log.Error(err, "The sink's destination can be written to, and is not as it should be")
		}
	case err != nil:
		return err
	}
	k.caution = caution
	k.good.Store(true)
	return nil
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
