package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// breaker carries out the plan.
type breaker struct {
	fleet   *fleet
	program *program
	several *failover    // nil: there is one replica
	outside *destination // nil: there is none
	clock   *clock
	journal *journal
	say     func(format string, args ...any)
}

// run carries out the faults of one target, one after the other.
func (b *breaker) run(ctx context.Context, faults []fault) error {
	for _, f := range faults {
		if err := b.clock.wait(ctx, f.At); err != nil {
			return err
		}
		if f.Target != theOperator {
			b.say("write %d: %s of %s", b.clock.now(), f.Kind, f.Target)
		}
		b.journal.write(entry{Writes: b.clock.now(), Did: "fault begins", Fault: &f})
		err := b.carryOut(ctx, f)
		b.journal.write(entry{Writes: b.clock.now(), Did: "fault has ended", Fault: &f})
		if err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// carryOut returns when the fault has ended, however it ends.
func (b *breaker) carryOut(ctx context.Context, f fault) error {
	until := func() error { return b.clock.wait(ctx, f.Until) }
	random := rand.New(rand.NewPCG(f.Dice, 0))
	if f.Target == theLeader {
		return b.several.carryOut(ctx, b, f)
	}
	if f.Target == theDestination {
		s := b.outside.stroke(f.Kind, random)
		return after(s.begin(ctx), until, func() error { return s.end(context.WithoutCancel(ctx)) })
	}
	switch f.Kind {
	case kill:
		return first(func() error { return b.program.kill(ctx) }, until, b.program.start)
	case terminate:
		return first(func() error { return b.program.terminate(ctx) }, b.program.start)
	case killBehind:
		return first(func() error {
			return after(b.program.first().setAlso(sinkPartial), until, func() error {
				return errors.Join(b.program.kill(ctx), b.program.first().setAlso(""))
			})
		}, b.program.start)
	case killBurst:
		err := after(b.program.first().setAlso(sinkStalls), until, func() error {
			b.program.child.Expect()
			return errors.Join(b.program.first().setDeath(killBurst), b.program.first().setAlso(""))
		})
		if err != nil {
			return err
		}
		return b.afterDeath(ctx, f.Until+f.Until-f.At)
	case outage:
		return first(func() error { return b.program.kill(ctx) }, until, func() error { return b.compactAll(ctx) }, b.program.start)
	case killBefore, killMiddle, killAfter:
		return b.killInSink(ctx, f.Kind, f.Until)
	case leave, renew, deny, replayAll, retryLetter:
		return b.operate(ctx, f, random)
	case sinkFails, sinkStalls, sinkHalf, sinkPartial, sinkLost, sinkRefuses, sinkSlow:
		control := b.program.outlet(f.Target).control
		return after(control.setFault(f.Kind), until, func() error { return control.setFault("") })
	case sinkShuns:
		return b.program.outlet(f.Target).shun(b.fleet.members[random.IntN(len(b.fleet.members))].Name, random.IntN(2) == 0)
	case sinkHangs:
		return b.program.outlet(f.Target).hang()
	}
	m := b.fleet.member(f.Target)
	switch f.Kind {
	case cut:
		m.Proxy.Cut()
		return after(nil, until, m.Proxy.Restore)
	case blackHole:
		return after(m.Proxy.BlackHole(), until, func() error {
			if random.IntN(2) == 0 {
				m.Proxy.Cut() // what was under way never arrives
			}
			return m.Proxy.Restore()
		})
	case slow:
		latency := time.Duration(20+random.IntN(180)) * time.Millisecond
		return after(m.Proxy.Slow(latency, 20_000+random.IntN(80_000)), until, m.Proxy.Restore)
	case restart:
		return m.restart(ctx, m.Cluster.Stop, until)
	case crash:
		return m.restart(ctx, m.Cluster.Kill, until)
	case compact:
		m.Proxy.Cut()
		return after(nil, until, func() error { return errors.Join(m.compact(ctx), m.Proxy.Restore()) })
	}
	return fmt.Errorf("nobody knows how to make a %s", f.Kind)
}

// killInSink lets the program kill itself in its next write, if there is one in
// time.
func (b *breaker) killInSink(ctx context.Context, death kind, until int) error {
	b.program.child.Expect()
	if err := b.program.first().setDeath(death); err != nil {
		return err
	}
	return b.afterDeath(ctx, until)
}

// afterDeath waits until the program has killed itself, or kills it when so many
// writes are done, and starts it again.
func (b *breaker) afterDeath(ctx context.Context, until int) error {
	if err := b.clock.waitOr(ctx, until, b.program.child.Exited()); err != nil {
		return err
	}
	return errors.Join(b.program.kill(ctx), b.program.first().clearDeath(), b.program.start())
}

// compactAll makes every version of every member expire.
func (b *breaker) compactAll(ctx context.Context) error {
	for _, m := range b.fleet.members {
		if err := m.compact(ctx); err != nil {
			return err
		}
	}
	return nil
}

// first does one step after the other until one fails.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// after waits, and then ends what has begun with err, also if the wait fails.
func after(err error, wait, end func() error) error {
	if err != nil {
		return err
	}
	return errors.Join(wait(), end())
}
