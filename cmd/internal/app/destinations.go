package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// destination is what a --sink names, open.
type destination struct {
	wanted
	to       pipeline.Sink
	log      logr.Logger
	registry *shownRegistry // the kind's own metrics

	checks   sync.WaitGroup // of engines, see startCheck
	checking sync.Mutex     // held while it is checked
	caution  string         // the last one that the log was told of; under checking
	good     atomic.Bool    // it has been found good since it was open, and not failing since
}

// destinations are those that are open, by name.
type destinations map[string]*destination

// wanted is a destination as settings have it.
type wanted struct {
	name      string // the sink's identity
	text      string // what it is opened by: see destinationText
	userAgent string
	spec      *sinks.Spec
}

// wanted returns the destinations of settings.
func (s *settings) wanted() []wanted {
	all := make([]wanted, len(s.sinks))
	for i, spec := range s.sinks {
		all[i] = wanted{spec.Identity, destinationText(s.Sinks[i]), s.userAgent(), spec}
	}
	return all
}

// destinationText returns the value of a --sink without its rules, which concern the way to
// the destination and not the destination.
func destinationText(sink string) string {
	before, query, _ := strings.Cut(sink, "?")
	params := slices.DeleteFunc(strings.Split(query, "&"), func(param string) bool {
		name, _, _ := strings.Cut(param, "=")
		return slices.ContainsFunc(selectionFlags, func(f selectionFlag) bool { return f.name == name })
	})
	return before + "?" + strings.Join(params, "&")
}

// openDestination opens a destination, whose metrics are not shown yet.
func (p *program) openDestination(ctx context.Context, w wanted) (*destination, error) {
	d := &destination{wanted: w, log: p.log.WithValues("sink", w.name), registry: newShownRegistry()}
	to, err := w.spec.Open(ctx, sinks.Env{Log: d.log, UserAgent: w.userAgent, Stdout: p.stdout, Registerer: d.registry})
	if err != nil {
		return nil, fmt.Errorf("--sink %s %w", spec.Before(w.name), err)
	}
	d.to = to
	return d, nil
}

// openAll opens all destinations, or none and tells all that is wrong.
func (p *program) openAll(ctx context.Context, s *settings) (destinations, error) {
	all := destinations{}
	var errs []error
	for _, w := range s.wanted() {
		errs = append(errs, p.whenFree(ctx, "sink "+w.name, func() error {
			d, err := p.openDestination(ctx, w)
			if err == nil {
				all[d.name] = d
				err = d.show(p)
			}
			return err
		}))
	}
	if err := errors.Join(errs...); err != nil {
		all.close()
		return nil, err
	}
	return all, nil
}

// show has the metrics of d among those of the program.
func (d *destination) show(p *program) error {
	in := prometheus.WrapRegistererWith(prometheus.Labels{"sink": d.name}, newRegistry(p.registerer))
	if err := d.registry.show(in); err != nil {
		return fmt.Errorf("--sink %s register metrics: %w", spec.Before(d.name), err)
	}
	return nil
}

func (ds destinations) close() {
	for _, d := range ds {
		d.close()
	}
}

// close closes d, after a check that is under way.
func (d *destination) close() {
	d.registry.hide()
	d.checks.Wait()
	d.checking.Lock()
	defer d.checking.Unlock()
	if c, ok := d.to.(io.Closer); ok {
		if err := c.Close(); err != nil {
			d.log.Error(err, "Could not close a sink")
		}
	}
}
