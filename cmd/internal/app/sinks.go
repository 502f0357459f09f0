package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/batch"
	"github.com/fairlead-dev/fairlead/sinks/fenced"
	"github.com/fairlead-dev/fairlead/sinks/file"
	"github.com/fairlead-dev/fairlead/sinks/stdout"
)

// sink is one --sink at work.
type sink struct {
	name    string // as given on the command line
	batcher *batch.Batcher
	file    *file.Sink // nil if it is none
}

type sinks []*sink

// openSinks opens all sinks, or none and tells all that is wrong. What a sink
// refuses for good goes to the dead letters, if there are any.
func (p *program) openSinks(ctx context.Context) (_ sinks, err error) {
	s, log := p.settings, p.log
	metrics, err := batch.NewMetrics(p.registerer)
	if err != nil {
		return nil, err
	}
	var all sinks
	var errs []error
	for _, spec := range s.sinks {
		k := &sink{name: spec.value}
		var to pipeline.Sink
		switch spec.scheme {
		case "stdout":
			to = stdout.New(p.stdout)
		case "file":
			err := p.whenFree(ctx, "sink "+spec.value, func() (err error) {
				k.file, err = file.Open(spec.rest)
				return err
			})
			if err != nil {
				errs = append(errs, fmt.Errorf("--sink %s: %w", spec.value, err))
				continue
			}
			to = k.file
		default:
			if to, err = s.options.Sinks[spec.scheme](spec.rest); err != nil {
				errs = append(errs, fmt.Errorf("--sink %s: %w", spec.value, err))
				continue
			}
		}
		dead := p.dead.of(spec.value)
		if p.election != nil {
			to, dead = fenced.Sink(to, p.election.MayAct), fenced.DeadLetter(dead, p.election.MayAct)
		}
		k.batcher = batch.New(spec.value, to, batch.Options{
			DeadLetter: dead,
			Log:        log.WithValues("sink", spec.value),
			Metrics:    metrics,
		})
		all = append(all, k)
	}
	if err := errors.Join(errs...); err != nil {
		all.close(log)
		return nil, err
	}
	return all, nil
}

// sinkNames returns the sinks' names, sorted.
func (s *settings) sinkNames() []string {
	all := make([]string, len(s.sinks))
	for i, spec := range s.sinks {
		all[i] = spec.value
	}
	slices.Sort(all)
	return all
}

// run writes until ctx ends. A signal on hangup makes files be opened again,
// that of the dead letters among them.
func (ks sinks) run(ctx context.Context, dead *deadLetters, hangup <-chan os.Signal) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range ks {
		g.Go(func() error { return k.batcher.Run(ctx) })
	}
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hangup:
				dead.reopen()
				for _, k := range ks {
					if k.file != nil {
						k.file.Reopen()
					}
				}
			}
		}
	})
	return g.Wait()
}

func (ks sinks) close(log logr.Logger) {
	for _, k := range ks {
		if k.file == nil {
			continue
		}
		if err := k.file.Close(); err != nil {
			log.Error(err, "Could not close a sink", "sink", k.name)
		}
	}
}
