package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// run serves, and works until ctx ends: at once or, with leader election, when
// and while this process leads.
func (p *program) run(ctx context.Context) (err error) {
	signal.Notify(p.hangup, syscall.SIGHUP) // which would end a follower otherwise
	defer signal.Stop(p.hangup)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	if p.reloader != nil {
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGHUP)
		defer signal.Stop(asked)
		wg.Go(func() { p.reloader.run(serving, asked) })
	}
	broken := make(chan error, len(p.servers))
	for _, s := range p.servers {
		wg.Go(func() {
			if err := s.Start(serving); err != nil {
				err = fmt.Errorf("the server of %s ended: %w", s.Name, err)
				broken <- err
				cancel(err)
			}
		})
	}
	if p.election != nil {
		var label sync.WaitGroup
		labelling, stopLabel := context.WithCancel(serving)
		label.Go(func() { p.label.run(labelling) })
		err = p.election.Run(ctx, p.lead)
		stopLabel()
		label.Wait()
		p.closeLock()
	} else {
		_, err = p.work(ctx, context.WithoutCancel(ctx))
	}
	select {
	case broke := <-broken:
		return broke
	default:
		return err
	}
}

// work starts everything and, when ctx ends, stops it from left to right, see engine.stop,
// and last the ledger, which then knows all that was accepted. When term ends, all of it
// stops at once. What work reports as not ended may still be writing.
func (p *program) work(ctx, term context.Context) (ended bool, err error) {
	ps, free := p.newParts(term)
	defer free()
	stopLedger := ps.start("the ledger", func(ctx context.Context) error {
		err := p.ledger.Run(ctx)
		if errors.Is(err, ledger.ErrOldTerm) && p.election != nil {
			p.election.Lose(err)
		}
		return err
	})
	e := p.current()
	e.start(p, ps)
	stopFleet := ps.start("the fleet", p.fleet.Run)
	close(p.started)

	e, err = p.follow(ctx, ps, e)
	close(p.stopping)
	ps.grace.left = stopGrace
	stopFleet()
	left := 0
	if e != nil {
		left = e.stop(p, ps, e.settings.DrainTimeout)
	}
	stopLedger()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.close()
	}()
	ps.await("the files", closed)
	p.log.Info("Stopped", "undelivered", left)
	return ps.ended, err
}

// follow changes settings when it is asked to, until the program is to end. It returns the
// engine that runs then, if one does.
func (p *program) follow(ctx context.Context, ps *parts, e *engine) (_ *engine, fatal error) {
	for e != nil && fatal == nil {
		select {
		case c := <-p.changes.requests:
			var err error
			e, err, fatal = p.replace(ctx, ps, e, c.settings)
			c.done <- errors.Join(err, fatal)
			continue
		case <-ctx.Done():
		case <-ps.term.Done():
		case fatal = <-ps.failed:
		}
		break
	}
	switch {
	case ps.term.Err() != nil:
		fatal = context.Cause(ps.term)
		p.log.Error(fatal, "Stopping at once, because another process may lead soon")
	case fatal != nil:
		p.log.Error(fatal, "Stopping, because a part of the program ended")
	default:
		p.log.Info("Asked to stop; reading stops, what waits is drained", "timeout", p.current().settings.DrainTimeout)
	}
	return e, fatal
}
