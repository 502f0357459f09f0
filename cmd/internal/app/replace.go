package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// changeDrain bounds how long what waits may be delivered before other settings are in
// effect. What is left is read again then.
const changeDrain = 5 * time.Second

// errWentBack says that an engine with the new settings could not be made after the one
// before had been stopped, and that this one runs again.
var errWentBack = errors.New("the settings of before are in effect again")

// outcome is what a change of settings comes to.
type outcome struct {
	engine *engine // that runs now; nil: none does, and the program is to end
	left   int     // how many changes the one before has not delivered, if none runs
	err    error   // why the settings are not in effect
	fatal  error   // why the program is to end, unless it was asked to
}

// replace has an engine with other settings take the place of one that runs. If anything is
// wrong with them that one goes on, or one like it.
func (p *program) replace(ctx context.Context, ps *parts, before *engine, s *settings) outcome {
	if hung := ps.hung(); len(hung) > 0 {
		return outcome{engine: before, err: fmt.Errorf("of the settings of before, %s have not stopped yet", strings.Join(hung, " and "))}
	}
	if err := p.tryRules(s); err != nil {
		return outcome{engine: before, err: err}
	}
	h, err := p.prepare(ctx, ps, s)
	if err != nil {
		return outcome{engine: before, err: err}
	}

	p.log.Info("The settings change; reading stops until they are in effect")
	began := time.Now()
	p.changing.Store(&began)
	defer p.changing.Store(nil)
	left, fatal := p.halt(ctx, ps, before)
	if fatal != nil || ctx.Err() != nil || ps.broken.Err() != nil {
		h.close(ctx, h.added)
		return outcome{left: left, err: errStopping, fatal: fatal}
	}
	p.log.V(1).Info("Stopped for other settings", "undelivered", left)

	var now *engine
	limits := p.limiter.now()
	if err = h.finish(ctx); err == nil {
		now, err = p.nextEngine(s, s.clusterLimits())
	}
	if err != nil {
		p.log.Error(errors.New(redact.New().Text(err)), "The settings cannot be used; going back to those of before")
		backErr := h.undo(ctx)
		if backErr == nil {
			now, backErr = p.nextEngine(before.settings, limits)
		}
		if backErr != nil {
			if ctx.Err() == nil && ps.broken.Err() == nil {
				fatal = fmt.Errorf("go back to the settings of before: %w", backErr)
			}
			return outcome{left: left, err: err, fatal: fatal}
		}
		err = fmt.Errorf("%w: %w", errWentBack, err)
	}
	p.engine.Store(now)
	now.start(p, ps)
	p.changing.Store(nil)
	p.log.Info("Reading goes on", "newSettings", err == nil, "after", time.Since(began).Round(time.Millisecond))
	if err == nil {
		h.close(ctx, h.leaving)
	}
	return outcome{engine: now, err: err}
}

// halt stops an engine for other settings. What hangs of its sources cannot hurt: it has
// nothing to write to, and what it held counts no more once the ledger has been opened again. A
// worker or a sink that hangs may still write, and nothing else may then: that is fatal. If
// asked ends meanwhile, what waits has all the time that it has at a stop.
func (p *program) halt(asked context.Context, ps *parts, e *engine) (left int, fatal error) {
	ps.grace.left = stopGrace
	draining, cancel := e.drain(asked, ps, changeDrain)
	defer cancel()
	left = e.stop(draining, p, ps)
	hung := slices.DeleteFunc(ps.hung(), func(what string) bool { return what == partSources })
	if len(hung) > 0 {
		return left, fmt.Errorf("%s of the settings of before do not stop, so that no others can be in effect; start the program again", strings.Join(hung, " and "))
	}
	e.close()
	return left, nil
}

// nextEngine makes an engine in the place of one that has stopped. It begins with the limits of
// clusters that it is to have.
func (p *program) nextEngine(s *settings, limits clusterLimits) (*engine, error) {
	p.limiter.change(limits)
	p.ledger.Reopen(s.sinkNames())
	return p.newEngine(s, p.destinations)
}

// tryRules reports what is wrong with rules, as an engine would.
func (p *program) tryRules(s *settings) error {
	if _, err := p.rules(s, s.Selection); err != nil {
		return err
	}
	for _, k := range s.sinks {
		if _, err := p.rulesOf(s, k); err != nil {
			return fmt.Errorf("--sink %s %w", spec.Before(k.Identity), err)
		}
	}
	return nil
}
