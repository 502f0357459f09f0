package app

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
)

// parts are what runs of the program, each in a goroutine of its own, and how long is
// waited for their ends. Its methods are called by one goroutine.
type parts struct {
	term   context.Context //nolint:containedctx // All parts end with it; it is as old as parts.
	log    logr.Logger
	failed chan error // what has ended although nobody asked it to
	grace  grace
	ended  bool // all that was asked to end has, in time
}

func (p *program) newParts(term context.Context) (_ *parts, free func() bool) {
	late := make(chan struct{}) // closed when what stops because of term should have
	lostGrace := p.settings.lostGrace()
	free = context.AfterFunc(term, func() { time.AfterFunc(lostGrace, func() { close(late) }) })
	return &parts{
		term: term, log: p.log, failed: make(chan error, 16),
		grace: grace{left: stopGrace, late: late}, ended: true,
	}, free
}

// start runs a part until stop is called, or the term ends. stop waits for its end.
func (ps *parts) start(what string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(ps.term)
	end := make(chan struct{})
	go func() {
		defer close(end)
		err := run(ctx)
		if ctx.Err() == nil {
			ps.failed <- fmt.Errorf("%s ended: %w", what, err)
		} else if err != nil {
			ps.log.Error(err, "Stopped with an error", "part", what)
		}
	}()
	return func() {
		cancel()
		ps.await(what, end)
	}
}

// await waits for the end of a part, for as long as the grace says.
func (ps *parts) await(what string, end <-chan struct{}) {
	began := time.Now()
	if ps.grace.await(end) {
		return
	}
	// One member's credential plugin that hangs, say. It must not keep the
	// changes of the others from the sinks.
	ps.ended = false
	ps.log.Info("Goes on although a part has not stopped in time", "part", what, "waited", time.Since(began).Round(time.Millisecond))
}
