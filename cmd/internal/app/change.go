package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// changeDrain bounds how long what waits may be delivered before other settings are in
// effect. What is left is read again then.
const changeDrain = 5 * time.Second

var (
	// errStopping is why settings are not changed while the program stops.
	errStopping = errors.New("the program is stopping")
	// errWentBack says that an engine with the new settings could not be made after the one
	// before had been stopped, and that this one runs again.
	errWentBack = errors.New("the settings of before are in effect again")
)

// changes hands new settings to the goroutine that has the engine. A follower has none: then
// they are kept for when it leads.
type changes struct {
	mu       sync.Mutex
	next     *settings   // to open the engine with
	taken    bool        // they are; further ones are asked for
	requests chan change // taken by program.work
}

// change asks for other settings.
type change struct {
	settings *settings
	done     chan<- error // has room for one
}

func newChanges(s *settings) *changes { return &changes{next: s, requests: make(chan change)} }

// take returns what to open the engine with.
func (c *changes) take() *settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = true
	return c.next
}

// keep has settings be what the engine is opened with, unless that has begun.
func (c *changes) keep(s *settings) (kept bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.taken {
		c.next = s
	}
	return !c.taken
}

// change has the program work with other settings, and returns once it does. If it
// cannot, those of before stay in effect.
func (p *program) change(ctx context.Context, s *settings) error {
	if p.changes.keep(s) {
		return nil
	}
	done := make(chan error, 1)
	select {
	case p.changes.requests <- change{s, done}:
	case <-p.stopping:
		return errStopping
	case <-ctx.Done():
		return errStopping
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errStopping
	}
}

// replace has an engine with other settings take the place of one that runs. It returns
// the engine that runs then: the one before, with an error, if anything is wrong with the
// settings. It returns no engine if the program is to end; that is fatal, unless it was
// asked to.
func (p *program) replace(ctx context.Context, ps *parts, before *engine, s *settings) (now *engine, err, fatal error) {
	open := maps.Clone(p.destinations)
	added, err := p.openNew(ctx, s, open)
	if err == nil {
		err = p.tryRules(s)
	}
	if err != nil {
		added.close()
		return before, err, nil
	}

	p.log.Info("The settings change; reading stops until they are in effect")
	began := time.Now()
	p.changing.Store(true)
	defer p.changing.Store(false)
	ps.grace.left = stopGrace
	left := before.stop(p, ps, min(before.settings.DrainTimeout, changeDrain))
	maps.Copy(p.destinations, added)
	if !ps.ended {
		return nil, nil, errors.New("the settings cannot change while the program runs, because a part of it does not stop; it starts with them")
	}
	before.close()
	if ctx.Err() != nil || ps.term.Err() != nil {
		return nil, errStopping, nil
	}
	p.log.V(1).Info("Stopped for other settings", "undelivered", left)
	if now, err = p.nextEngine(ctx, s); err != nil {
		p.log.Error(err, "The settings cannot be used; going back to those of before")
		var backErr error
		if now, backErr = p.nextEngine(ctx, before.settings); backErr != nil {
			return nil, err, fmt.Errorf("go back to the settings of before: %w", backErr)
		}
		err = fmt.Errorf("%w: %w", errWentBack, err)
	}
	p.engine.Store(now)
	now.start(p, ps)
	p.log.Info("The settings have changed", "took", time.Since(began).Round(time.Millisecond))
	return now, err, nil
}

// nextEngine makes an engine in the place of one that has stopped.
func (p *program) nextEngine(ctx context.Context, s *settings) (*engine, error) {
	if err := p.destinations.become(ctx, p, s); err != nil {
		return nil, err
	}
	p.ledger.Reopen(s.sinkNames())
	return p.newEngine(s, p.destinations)
}

// tryRules reports what is wrong with rules, as an engine would.
func (p *program) tryRules(s *settings) error {
	if _, err := p.rules(s, s.Selection); err != nil {
		return err
	}
	for _, spec := range s.sinks {
		if _, err := p.rulesOf(s, spec); err != nil {
			return fmt.Errorf("--sink %s: %w", spec.Identity, err)
		}
	}
	return nil
}
