package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// destination is what a --sink names, open.
type destination struct {
	name     string // the sink's identity
	text     string // what it was opened by: see destinationText
	to       pipeline.Sink
	log      logr.Logger
	registry *registry // the kind's own metrics
}

// destinations are those that are open, by name.
type destinations map[string]*destination

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

// openDestination opens what a --sink names.
func (p *program) openDestination(ctx context.Context, s *settings, spec *sinks.Spec, text string) (*destination, error) {
	name := spec.Identity
	d := &destination{name: name, text: text, log: p.log.WithValues("sink", name)}
	d.registry = newRegistry(prometheus.WrapRegistererWith(prometheus.Labels{"sink": name}, newRegistry(p.registerer)))
	to, err := spec.Open(ctx, sinks.Env{Log: d.log, UserAgent: s.userAgent(), Stdout: p.stdout, Registerer: d.registry})
	if err != nil {
		d.registry.unregisterAll()
		return nil, fmt.Errorf("--sink %s: %w", name, err)
	}
	d.to = to
	return d, nil
}

// openAll opens all destinations, or none and tells all that is wrong.
func (p *program) openAll(ctx context.Context, s *settings) (destinations, error) {
	all := destinations{}
	var errs []error
	for i, spec := range s.sinks {
		errs = append(errs, p.whenFree(ctx, "sink "+spec.Identity, func() error {
			d, err := p.openDestination(ctx, s, spec, destinationText(s.Sinks[i]))
			if err == nil {
				all[d.name] = d
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

// openNew opens of what settings name that which all has not under that name. What is in use, perhaps
// by one of all under another name, is left out.
func (p *program) openNew(ctx context.Context, s *settings, all destinations) (destinations, error) {
	added := destinations{}
	var errs []error
	for i, spec := range s.sinks {
		if all[spec.Identity] != nil {
			continue
		}
		switch d, err := p.openDestination(ctx, s, spec, destinationText(s.Sinks[i])); {
		case err == nil:
			added[d.name] = d
		case !errors.Is(err, sinks.ErrInUse):
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		added.close()
		return nil, err
	}
	return added, nil
}

// become closes what settings do not name, or name with other parameters, and then opens
// what is missing. After an error, some may be missing.
func (ds destinations) become(ctx context.Context, p *program, s *settings) error {
	named := map[string]string{}
	for i, spec := range s.sinks {
		named[spec.Identity] = destinationText(s.Sinks[i])
	}
	for name, d := range ds {
		if named[name] != d.text {
			d.close()
			delete(ds, name)
		}
	}
	var errs []error
	for _, spec := range s.sinks {
		if ds[spec.Identity] != nil {
			continue
		}
		d, err := p.openDestination(ctx, s, spec, named[spec.Identity])
		if err == nil {
			ds[d.name] = d
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (ds destinations) close() {
	for _, d := range ds {
		d.close()
	}
}

func (d *destination) close() {
	if c, ok := d.to.(io.Closer); ok {
		if err := c.Close(); err != nil {
			d.log.Error(err, "Could not close a sink")
		}
	}
	d.registry.unregisterAll()
}
