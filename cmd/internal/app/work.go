package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

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

// work starts everything and, when ctx ends, stops it from left to right:
// first the reading, then what waits drains into the sinks, then the workers
// and the sinks, and last the ledger, which then knows all that was accepted.
// When term ends, all of it stops at once. What work reports as not ended may
// still be writing.
func (p *program) work(ctx, term context.Context) (ended bool, err error) {
	ended = true
	late := make(chan struct{}) // closed when what stops because of term should have
	lostGrace := p.settings.lostGrace()
	defer context.AfterFunc(term, func() { time.AfterFunc(lostGrace, func() { close(late) }) })()
	g := grace{left: stopGrace, late: late}
	await := func(what string, end <-chan struct{}) {
		began := time.Now()
		if g.await(end) {
			return
		}
		// One member's credential plugin that hangs, say. It must not keep the
		// changes of the others from the sinks.
		ended = false
		p.log.Info("Goes on although a part has not stopped in time", "part", what, "waited", time.Since(began).Round(time.Millisecond))
	}
	failed := make(chan error, 6) // what ended although nobody asked it to
	start := func(what string, run func(context.Context) error) (stop func()) {
		runCtx, cancel := context.WithCancel(term)
		end := make(chan struct{})
		go func() {
			defer close(end)
			err := run(runCtx)
			if runCtx.Err() == nil {
				failed <- fmt.Errorf("%s ended: %w", what, err)
			} else if err != nil {
				p.log.Error(err, "Stopped with an error", "part", what)
			}
		}()
		return func() {
			cancel()
			await(what, end)
		}
	}
	stopLedger := start("the ledger", func(ctx context.Context) error {
		err := p.ledger.Run(ctx)
		if errors.Is(err, ledger.ErrOldTerm) && p.election != nil {
			p.election.Lose(err)
		}
		return err
	})
	stopSinks := start("the sinks", func(ctx context.Context) error { return p.sinks.run(ctx, p.dead, p.hangup) })
	stopDead := start("the dead letters", func(ctx context.Context) error { return p.dead.run(ctx, p.sources) })
	stopManager := start("the manager", p.manager.Start)
	stopSources := start("the sources", p.sources.Run)
	stopFleet := start("the fleet", p.fleet.Run)
	close(p.started)
	p.log.Info("Started", "version", p.settings.options.Version, "watch", len(p.settings.specs), "sinks", len(p.sinks))

	select {
	case <-ctx.Done():
		p.log.Info("Asked to stop; reading stops, what waits is drained", "timeout", p.settings.DrainTimeout)
	case <-term.Done():
		err = context.Cause(term)
		p.log.Error(err, "Stopping at once, because another process may lead soon")
	case err = <-failed:
		p.log.Error(err, "Stopping, because a part of the program ended")
	}
	close(p.stopping)
	stopFleet()
	stopSources()
	drain, cancel := context.WithTimeout(term, p.settings.DrainTimeout)
	left := p.routes.stop(drain)
	cancel()
	stopManager()
	stopDead()
	stopSinks()
	stopLedger()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.close()
	}()
	await("the files", closed)
	p.log.Info("Stopped", "undelivered", left)
	return ended, err
}
