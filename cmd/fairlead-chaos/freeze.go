package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

// freeze stops the leader until another one leads, and returns from when on nobody has
// delivered because of it.
func (f *failover) freeze(ctx context.Context, was *lab.Program) (began time.Time, err error) {
	began = time.Now()
	if err := was.Signal(syscall.SIGSTOP); err != nil {
		return began, err
	}
	if f.ledger == ledgerMemory {
		_, err = f.awaitLeader(ctx, was)
	} else {
		// The next one leads, and waits until this one lets go of its files.
		_, err = f.await(ctx, "another replica leads", func(p *lab.Program, s standing) bool { return p != was && s.leads })
		began = time.Now()
	}
	return began, errors.Join(err, was.Signal(syscall.SIGCONT))
}

// freezeInWrite stops the leader in a write until another one has written, and waits for
// its end. It returns how long nobody has delivered, 0 if the leader has not written in
// time.
func (f *failover) freezeInWrite(ctx context.Context, of fault, was *lab.Program) (took time.Duration, err error) {
	sink := f.program.first()
	before, err := sink.readTerm()
	if err != nil {
		return 0, err
	}
	if err := sink.setDeath(freezeInWrite); err != nil {
		return 0, err
	}
	until := max(of.Until, f.clock.now()+of.Until-of.At) // The fault before may have taken longer.
	for err == nil && !sink.isFrozen() && f.clock.now() < until && !f.clock.over() {
		err = retry.Sleep(ctx, clockPoll)
	}
	if err := errors.Join(err, sink.clearDeath()); err != nil || !sink.isFrozen() {
		return 0, err
	}
	began := time.Now()
	_, err = f.awaitLeader(ctx, was)
	took = time.Since(began)
	if err == nil {
		err = f.awaitTerm(ctx, before)
	}
	if err := errors.Join(err, sink.thaw(), was.Signal(syscall.SIGCONT)); err != nil {
		return 0, err
	}
	return took, awaitEnd(ctx, was)
}

// awaitEnd waits for the end of a leader that was stopped and goes on.
func awaitEnd(ctx context.Context, was *lab.Program) error {
	select {
	case <-was.Exited():
		return nil
	case <-time.After(patience):
		return fmt.Errorf("a leader that was stopped has not ended %v after it went on", patience)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaitTerm waits until the sink has taken a write of a later term.
func (f *failover) awaitTerm(ctx context.Context, than uint64) error {
	patient, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the next leader has not written within %v", patience))
	defer cancel()
	return lab.WaitUntil(patient, failoverWatch, func() error {
		term, err := f.program.first().readTerm()
		if err == nil && term <= than {
			err = fmt.Errorf("the highest term is %d", term)
		}
		return err
	})
}
