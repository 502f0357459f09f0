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
	asked := ctx // to end, from outside
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer p.endProbes()
	var wg sync.WaitGroup
	defer wg.Wait()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	if p.reloader != nil {
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGHUP)
		defer signal.Stop(again)
		wg.Go(func() { p.reloader.run(serving, again) })
	}
	if p.page != nil {
		wg.Go(func() { _ = p.page.Run(serving) }) // it returns nil
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
		wg.Go(func() { p.stepDown.watch(serving, cancel) })
		err = p.election.Run(ctx, p.lead)
		stopLabel()
		label.Wait()
		if err == nil {
			err = p.gaveWay(asked, ctx)
		}
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
	stopLimit := ps.start("the memory limit", p.limitMemory)
	stopTracing := p.startTracing(ps)
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
	stopMemberStatus := p.startMemberStatus(ps)
	close(p.started)

	last := p.obey(ctx, ps, e)
	close(p.stopping)
	ps.grace.left = stopGrace
	stopMemberStatus() // before the members' streams end: that is not news of the members
	stopFleet()
	if e := last.engine; e != nil {
		draining, cancel := e.drain(ctx, ps, e.settings.DrainTimeout)
		last.left = e.stop(draining, p, ps)
		cancel()
	}
	stopLedger()
	stopTracing() // the last transaction ends spans
	stopLimit()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.close()
		p.handing.Wait()
	}()
	ps.await("the files", closed)
	p.log.Info("Stopped", "undelivered", last.left)
	return len(ps.hung()) == 0, last.fatal
}

// obey changes settings when it is asked to, until the program is to end. It returns what the
// last change has come to, and why the program ends unless it was asked to.
func (p *program) obey(ctx context.Context, ps *parts, e *engine) outcome {
	last := outcome{engine: e}
	if s := p.changes.run(); s != e.settings { // kept while e was opened
		last = p.replace(ctx, ps, e, s)
		if last.err != nil {
			p.changes.refuse(s, e.settings, last.err)
		}
	}
	for last.engine != nil {
		select {
		case c := <-p.changes.requests:
			last = p.replace(ctx, ps, last.engine, c.settings)
			c.done <- errors.Join(last.err, last.fatal)
			continue
		case <-ctx.Done():
		case <-ps.broken.Done():
		}
		break
	}
	if last.fatal == nil && ps.broken.Err() != nil {
		last.fatal = context.Cause(ps.broken)
	}
	switch {
	case ps.term.Err() != nil:
		p.log.Error(last.fatal, "Stopping at once, because another process may lead soon")
	case last.fatal != nil:
		p.log.Error(last.fatal, "Stopping, because a part of the program ended")
	default:
		if last.engine != nil {
			e = last.engine
		}
		p.log.Info("Asked to stop; reading stops, what waits is drained", "timeout", e.settings.DrainTimeout)
	}
	return last
}
