package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

// mark is by what the changes of an object are ordered.
type mark struct{ term, sequence uint64 }

// newMark reads one.
func newMark(term, sequence string) (m mark, err error) {
	if m.term, err = strconv.ParseUint(term, 10, 64); err == nil {
		m.sequence, err = strconv.ParseUint(sequence, 10, 64)
	}
	return m, err
}

func (m mark) compare(with mark) int {
	return cmp.Or(cmp.Compare(m.term, with.term), cmp.Compare(m.sequence, with.sequence))
}

// highest returns the highest term.
func highest(marks map[replay.Object]mark) (term uint64) {
	for m := range maps.Values(marks) {
		term = max(term, m.term)
	}
	return term
}

// wentBack returns what has a lower mark than before, in words.
func wentBack(before, after map[replay.Object]mark) (all []string) {
	for object, was := range before {
		if is, there := after[object]; there && is.compare(was) < 0 {
			all = append(all, fmt.Sprintf("%s: it had term %d and sequence %d, and has term %d and sequence %d after a late write", object, was.term, was.sequence, is.term, is.sequence))
		}
	}
	return all
}

// holdAnew is how long nothing may be on the line before the connections are looked for
// again that are held.
const holdAnew = 500 * time.Millisecond

// freezeOnTheWay stops the leader while a write of it is on the line to the destination,
// and lets the write arrive once the next leader has written there: the destination has to
// refuse it. It returns how long nobody has delivered, 0 if the leader has not written in
// time.
func (f *failover) freezeOnTheWay(ctx context.Context, of fault, was *lab.Program) (took time.Duration, err error) {
	until := max(of.Until, f.clock.now()+of.Until-of.At) // The fault before may have taken longer.
	hold := f.outside.line.Hold()
	for since := time.Now(); err == nil && hold.Waits(1) == 0 && f.clock.now() < until && !f.clock.over(); {
		err = retry.Sleep(ctx, clockPoll)
		if time.Since(since) >= holdAnew { // The leader may have connected meanwhile.
			hold.Release(1)
			hold, since = f.outside.line.Hold(), time.Now()
		}
	}
	if err != nil || hold.Waits(1) == 0 {
		hold.Release(1)
		return 0, err
	}
	began := time.Now()
	if err := was.Signal(syscall.SIGSTOP); err != nil {
		hold.Release(1)
		return 0, err
	}
	before, err := f.readMarks(ctx)
	if err == nil {
		_, err = f.awaitLeader(ctx, was)
	}
	took = time.Since(began)
	var there map[replay.Object]mark
	if err == nil {
		there, err = f.awaitMark(ctx, highest(before))
	}
	late := hold.Release(1)
	if err := errors.Join(err, was.Signal(syscall.SIGCONT)); err != nil {
		return 0, err
	}
	if err := awaitEnd(ctx, was); err != nil {
		return 0, err
	}
	after, err := f.readMarks(ctx)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lateThere += late
	f.back = append(f.back, wentBack(there, after)...)
	return took, nil
}

// readMarks reads the marks of the destination, also if that has to come back first.
func (f *failover) readMarks(ctx context.Context) (map[replay.Object]mark, error) {
	return f.awaitMarks(ctx, func(map[replay.Object]mark) error { return nil })
}

// awaitMark waits until the destination has taken a write of a later term.
func (f *failover) awaitMark(ctx context.Context, than uint64) (map[replay.Object]mark, error) {
	return f.awaitMarks(ctx, func(marks map[replay.Object]mark) error {
		if term := highest(marks); term <= than {
			return fmt.Errorf("the highest term there is %d", term)
		}
		return nil
	})
}

func (f *failover) awaitMarks(ctx context.Context, ok func(map[replay.Object]mark) error) (marks map[replay.Object]mark, err error) {
	patient, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the destination has not taken a write of the next leader within %v", patience))
	defer cancel()
	err = lab.WaitUntil(patient, failoverWatch, func() error {
		var err error
		if marks, err = f.outside.marks(patient); err != nil {
			return err
		}
		return ok(marks)
	})
	return marks, err
}
