package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/sinks"
)

// handoverTime bounds how long destinations are waited for while settings change: to be
// opened, and to be closed. Neither needs the network.
const handoverTime = 10 * time.Second

var errNotInTime = fmt.Errorf("this has taken more than %v", handoverTime)

// handover puts destinations of other settings in the place of those that are open. Each that
// is there before stays open until its successor is, unless that is the same to the system, as
// two names of one file are. What may hang runs in goroutines of its own; see openSoon and
// closeSoon.
type handover struct {
	p       *program
	ps      *parts
	before  destinations   // those that are open at first
	next    destinations   // open for settings: those that stay, and those that are new
	added   []*destination // those of next that are new
	held    []wanted       // those that can only be opened once one of leaving is closed
	leaving []*destination // open, and not among next
	closed  []*destination // that were leaving, closed to open held
}

// prepare opens what settings name, while what is open before is in use. If anything is
// wrong, all is as before.
func (p *program) prepare(ctx context.Context, ps *parts, s *settings) (*handover, error) {
	h := &handover{p: p, ps: ps, before: p.destinations, next: destinations{}}
	ctx, cancel := ps.during(ctx)
	defer cancel()
	wanted := s.wanted()
	texts := map[string]string{}
	for _, w := range wanted {
		texts[w.name] = w.text
	}
	for name, d := range h.before {
		if text, stays := texts[name]; stays && text == d.text {
			h.next[name] = d
		} else {
			h.leaving = append(h.leaving, d)
		}
	}
	var errs []error
	for _, w := range wanted {
		if h.next[w.name] != nil {
			continue
		}
		d, err := p.openSoon(ctx, w)
		switch {
		case err == nil:
			h.add(d)
		case h.hasPlace(w, err):
			h.held = append(h.held, w)
		default:
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		p.closeSoon(ctx, h.added)
		return nil, err
	}
	return h, nil
}

// hasPlace reports whether w can take the place of what leaves, after an error of opening it
// while that is there.
func (h *handover) hasPlace(w wanted, err error) bool {
	if errors.Is(err, sinks.ErrInUseHere) {
		return len(h.leaving) > 0
	}
	// A kind need not know by which process its destination is in use.
	return errors.Is(err, sinks.ErrInUse) && h.before[w.name] != nil
}

func (h *handover) add(d *destination) {
	h.added = append(h.added, d)
	h.next[d.name] = d
}

// finish opens what prepare could not, and has p have the destinations. Nothing uses those of
// before any more. What leaves is still to be closed.
func (h *handover) finish(ctx context.Context) error {
	ctx, cancel := h.ps.during(ctx)
	defer cancel()
	for _, w := range h.held {
		d, err := h.openHeld(ctx, w)
		if err != nil {
			return err
		}
		h.add(d)
	}
	for _, d := range h.leaving {
		d.registry.hide()
	}
	for _, d := range h.added {
		if err := d.show(h.p); err != nil {
			return err
		}
	}
	h.p.destinations = h.next
	return nil
}

// openHeld opens w, and closes what leaves for it, one after the other, until it can be: first
// what has its name.
func (h *handover) openHeld(ctx context.Context, w wanted) (*destination, error) {
	for {
		i := 0
		for k, d := range h.leaving {
			if d.name == w.name {
				i = k
			}
		}
		d, err := h.p.openSoon(ctx, w)
		if err == nil || len(h.leaving) == 0 || !h.hasPlace(w, err) {
			return d, err
		}
		leaves := h.leaving[i]
		h.leaving = append(h.leaving[:i:i], h.leaving[i+1:]...)
		h.closed = append(h.closed, leaves)
		h.p.closeSoon(ctx, []*destination{leaves})
	}
}

// undo has p have the destinations of before again, after finish, which may have failed. It
// opens those that had to be closed.
func (h *handover) undo(ctx context.Context) error {
	ctx, cancel := h.ps.during(ctx)
	defer cancel()
	h.p.closeSoon(ctx, h.added)
	var errs []error
	for _, closed := range h.closed {
		d, err := h.p.openSoon(ctx, closed.wanted)
		if errs = append(errs, err); err == nil {
			h.before[d.name] = d
			errs = append(errs, d.show(h.p))
		} else {
			delete(h.before, closed.name)
		}
	}
	for _, d := range h.leaving {
		d.registry.hide()
		errs = append(errs, d.show(h.p))
	}
	h.p.destinations = h.before
	return errors.Join(errs...)
}

// close closes what has no place any more: what leaves once finish has returned, and what is
// new if it is not called.
func (h *handover) close(ctx context.Context, all []*destination) {
	ctx, cancel := h.ps.during(ctx)
	defer cancel()
	h.p.closeSoon(ctx, all)
}

// openSoon opens a destination until ctx ends. What opens it later closes it.
func (p *program) openSoon(ctx context.Context, w wanted) (*destination, error) {
	type result struct {
		*destination
		error
	}
	opened := make(chan result)
	p.handing.Go(func() {
		d, err := p.openDestination(ctx, w)
		select {
		case opened <- result{d, err}:
		case <-ctx.Done():
			if err == nil {
				d.close()
			}
		}
	})
	select {
	case r := <-opened:
		return r.destination, r.error
	case <-ctx.Done():
		return nil, fmt.Errorf("--sink %s open: %w", spec.Before(w.name), context.Cause(ctx))
	}
}

// closeSoon closes destinations, and waits for it until ctx ends. It goes on then.
func (p *program) closeSoon(ctx context.Context, all []*destination) {
	var wg sync.WaitGroup
	for _, d := range all {
		d.registry.hide() // another one may have its name now
		wg.Add(1)
		p.handing.Go(func() {
			defer wg.Done()
			d.close()
		})
	}
	closed := make(chan struct{})
	go func() {
		wg.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-ctx.Done():
		if !errors.Is(context.Cause(ctx), errNotInTime) {
			return // the end of the program waits for it
		}
		p.log.Info("Goes on although sinks have not been closed in time", "waited", handoverTime)
	}
}
