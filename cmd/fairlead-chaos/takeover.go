package main

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
)

// takeover is how another server of a destination takes the place of the one that serves.
// What is nil needs not be done.
type takeover struct {
	// prepare has the other one ready, while the first one serves.
	prepare func(context.Context) error
	// move kills the one that serves, and has the other one serve.
	move func(context.Context) error
	// restore has the one back that was killed, so that it can take over the next time.
	restore func(context.Context) error
}

// awaitRequest is how long a request is waited for in which a server dies: the program may
// be down, or have nothing to send.
const awaitRequest = 5 * time.Second

// keepsAnswer are the faults of the line under which a server dies: it has not got the
// request, or has got it, and most likely done what it was asked for.
var keepsAnswer = []tcpline.Faults{{Stalled: true}, {Mute: true}}

// failsOver is the fault in which another server takes over, in the middle of a request that
// is not answered because of a fault of the line.
func (d *destination) failsOver(on tcpline.Faults) stroke {
	do := func(ctx context.Context, step func(context.Context) error) error {
		if step == nil {
			return nil
		}
		return step(ctx)
	}
	return stroke{
		func(ctx context.Context) error {
			if err := do(ctx, d.takeover.prepare); err != nil {
				return err
			}
			// What comes from now on is a request, or the answer to one of before, and waits.
			before := d.traffic()
			d.set(on)
			for end := time.Now().Add(awaitRequest); d.traffic() == before && time.Now().Before(end); {
				if err := retry.Sleep(ctx, clockPoll); err != nil {
					return err
				}
			}
			d.failovers++
			if d.traffic() != before {
				d.amid++
			}
			err := do(ctx, d.takeover.move)
			d.set(tcpline.Faults{})
			return err
		},
		func(ctx context.Context) error { return do(ctx, d.takeover.restore) },
	}
}

// peer is one of two servers that hold the same, with the address where it listens.
type peer struct {
	killable
	addr string
}

// pair are two servers that run and hold the same, of which the line leads to one. When
// that is killed, the other one takes over, and the next time the first one again.
type pair struct {
	d             *destination
	serves, waits peer
}

// serveInTurn completes a destination of two such servers.
func (d *destination) serveInTurn(first, second peer) *pair {
	p := &pair{d, first, second}
	d.server, d.addr = p, first.addr
	d.takeover = &takeover{move: p.move, restore: p.restore}
	return p
}

// Kill and Start are of the one that serves: nobody gets to the other one.
func (p *pair) Kill(t testing.TB)  { p.serves.Kill(t) }
func (p *pair) Start(t testing.TB) { p.serves.Start(t) }

func (p *pair) move(ctx context.Context) error {
	if err := p.d.rig.Do(ctx, p.serves.Kill); err != nil {
		return err
	}
	p.serves, p.waits = p.waits, p.serves
	return p.d.lead(p.serves.addr)
}

func (p *pair) restore(ctx context.Context) error { return p.d.rig.Do(ctx, p.waits.Start) }
