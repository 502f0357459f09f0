package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
)

// parts are what runs of the program, each in a goroutine of its own, and how long is
// waited for their ends. Its methods are called by one goroutine.
type parts struct {
	term   context.Context //nolint:containedctx // All parts end with it; it is as old as parts.
	log    logr.Logger
	broken context.Context //nolint:containedctx // Ends with term, and when a part ends although nobody asked it to.
	grace  grace
	late   []part // that have not ended in time

	setBroken context.CancelCauseFunc
}

// part is one that runs.
type part struct {
	what string
	end  <-chan struct{}
}

// partSources reads from members. It is the one part that may hang while others take its
// place: what it held counts no more once the ledger has been opened again.
const partSources = "the sources"

func (p *program) newParts(term context.Context) (_ *parts, free func() bool) {
	late := make(chan struct{}) // closed when what stops because of term should have
	lostGrace := p.settings.lostGrace()
	noGrace := context.AfterFunc(term, func() { time.AfterFunc(lostGrace, func() { close(late) }) })
	ps := &parts{term: term, log: p.log, grace: grace{left: stopGrace, late: late}}
	ps.broken, ps.setBroken = context.WithCancelCause(term)
	return ps, func() bool {
		ps.setBroken(nil)
		return noGrace()
	}
}

// during returns a context for what the program waits for while its settings change. It ends
// after a while, and as soon as the program is to end: when it is asked to, when the term ends,
// or when a part has failed.
func (ps *parts) during(asked context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancelCause(ps.broken)
	free := context.AfterFunc(asked, func() { stop(errStopping) })
	ctx, cancel := context.WithTimeoutCause(ctx, handoverTime, errNotInTime)
	return ctx, func() {
		cancel()
		free()
		stop(nil)
	}
}

// start runs a part until stop is called, or the term ends. stop waits for its end.
func (ps *parts) start(what string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(ps.term)
	end := make(chan struct{})
	go func() {
		defer close(end)
		err := run(ctx)
		if ctx.Err() == nil {
			err = fmt.Errorf("%s ended: %w", what, err)
			ps.setBroken(err)
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
	ps.late = append(ps.late, part{what, end})
	ps.log.Info("Goes on although a part has not stopped in time", "part", what, "waited", time.Since(began).Round(time.Millisecond))
}

// hung returns the parts that were asked to end and have not.
func (ps *parts) hung() (what []string) {
	ps.late = slices.DeleteFunc(ps.late, func(p part) bool {
		select {
		case <-p.end:
			return true
		default:
			return false
		}
	})
	for _, p := range ps.late {
		what = append(what, p.what)
	}
	return what
}
