package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// patience is how long nothing may arrive before the wait for the sink to hold
	// what the servers hold is given up. It decides how long a failure takes, not
	// what is one: it is far longer than any delay between two attempts.
	patience = 90 * time.Second

	settleEvery = 300 * time.Millisecond
)

// chaos is what there is while it runs.
type chaos struct {
	*options
	dir     string
	say     func(format string, args ...any)
	fleet   *fleet
	hostile *hostile // nil: there is none
	program *program
	clock   *clock
	journal *journal
	records *records
	writers []*writer
	plan    []fault
	result  result
}

// play runs everything, and writes what happens to out; the last line is the
// result. The error says what is wrong, with Fairlead or otherwise. Whatever it
// is, nothing that was started is left.
func play(interrupt context.Context, o *options, out io.Writer) (err error) {
	// ctx ends early for one reason, which is then what fails.
	ctx, fail := context.WithCancelCause(interrupt)
	defer fail(nil)
	var mu sync.Mutex
	begun := time.Now()
	c := &chaos{options: o, clock: newClock(), records: newRecords(), result: result{Seed: o.seed}}
	c.say = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(out, "%7.1fs  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}
	defer func() {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // What failed because of it is no news.
		}
		fail(nil)
		err = errors.Join(err, c.close())
		if (err != nil || o.keepFiles) && c.dir != "" {
			c.say("The sink's file, the ledgers, the log and the journal are left in %s", c.dir)
		} else {
			err = errors.Join(err, os.RemoveAll(c.dir))
		}
		c.result.Seconds = int(time.Since(begun).Seconds())
		c.result.fail(err)
		line, lineErr := c.result.line()
		_, printErr := fmt.Fprintln(out, line)
		err = errors.Join(err, lineErr, printErr)
	}()
	if c.dir, err = os.MkdirTemp("", "fairlead-chaos-"); err != nil {
		return fmt.Errorf("make a directory for the files: %w", err)
	}
	if c.journal, err = newJournal(filepath.Join(c.dir, "journal.jsonl")); err != nil {
		return err
	}
	if err := c.raise(ctx, fail); err != nil {
		return err
	}
	if err := c.storm(ctx); err != nil {
		return err
	}
	return c.calm(ctx)
}

// raise starts the control planes and Fairlead.
func (c *chaos) raise(ctx context.Context, fail context.CancelCauseFunc) (err error) {
	names := memberNames(c.members)
	c.plan = newPlan(c.seed, c.changes, c.faults, names)
	c.say("Seed %d: %d writes to %d members, %d faults. Starting the control planes.", c.seed, c.changes, c.members, len(c.plan))
	if c.fleet, err = startFleet(ctx, names); err != nil {
		return err
	}
	if c.options.hostile {
		if c.hostile, err = startHostile(c, c.fleet.members[0]); err != nil {
			return err
		}
		c.fleet.hostile = c.hostile
	}
	perSecond := float64(c.changes) / c.duration.Seconds() / float64(c.members)
	for i, m := range c.fleet.members {
		c.writers = append(c.writers, newWriter(m, c.seed, uint64(i), perSecond, c.clock, c.journal, c.records))
	}
	if c.program, err = newProgram(c.dir, c.fleet.members, c.journal, c.records, c.clock, fail); err != nil {
		return err
	}
	if err := c.fleet.writeKubeconfig(c.program.kubeconfig()); err != nil {
		return err
	}
	return c.program.start()
}

// storm lets everything change and fail.
func (c *chaos) storm(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { c.program.watch(watching) })
	defer watch.Wait()
	defer stopWatching()

	all, ctx := errgroup.WithContext(ctx)
	var writing sync.WaitGroup
	for i, w := range c.writers {
		writes := c.changes / len(c.writers)
		if i < c.changes%len(c.writers) {
			writes++
		}
		writing.Add(1)
		all.Go(func() error {
			defer writing.Done()
			return w.run(ctx, writes)
		})
	}
	all.Go(func() error {
		writing.Wait()
		c.clock.stop()
		return nil
	})
	if c.hostile != nil {
		all.Go(func() error { return c.hostile.run(ctx, c.changes) })
	}
	b := &breaker{fleet: c.fleet, program: c.program, clock: c.clock, journal: c.journal, say: c.say}
	byTarget := map[string][]fault{}
	for _, f := range c.plan {
		byTarget[f.Target] = append(byTarget[f.Target], f)
	}
	for _, faults := range byTarget {
		all.Go(func() error { return b.run(ctx, faults) })
	}
	err := all.Wait()
	c.result.Changes, c.result.Faults, c.result.Restarts = c.clock.now(), len(c.plan), len(c.program.runs)-1
	return err
}

// calm waits until all has arrived, stops and starts Fairlead once more without a
// fault, and checks everything.
func (c *chaos) calm(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { c.program.watch(watching) })
	defer watch.Wait()
	defer stopWatching()

	c.say("The writers have stopped after %d writes, and all faults have ended.", c.clock.now())
	refused, err := readRefusals(c.program.control.refused())
	if err != nil {
		return err
	}
	if c.result.Refused = len(refused); len(refused) > 0 {
		if err := c.program.sendDeadLetters(ctx); err != nil {
			return err
		}
		c.say("All dead letters were sent again: the sink has refused %d times.", len(refused))
	}
	settled, err := c.settle(ctx)
	if err != nil {
		return err
	}
	if settled {
		if err := c.restartInPeace(ctx); err != nil {
			return err
		}
	} else if err := c.program.terminate(ctx); err != nil {
		return err
	}
	c.result.Lists = c.program.lists()
	f, err := c.check(ctx)
	if err != nil {
		return err
	}
	c.result.add(f)
	if wrong := f.problems(); len(wrong) > 0 {
		c.say("Wrong:\n%s", some(wrong))
		text := strings.Join(wrong, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(c.dir, "problems.txt"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return c.result.err()
}

// settle waits until the sink holds what the servers hold. It returns false if
// that does not come about.
func (c *chaos) settle(ctx context.Context) (bool, error) {
	begun, grew := time.Now(), time.Now()
	last := int64(-1)
	for {
		// Replaying is dear, and pointless while events arrive.
		size, err := fileSize(c.program.control.sink())
		if err != nil {
			return false, err
		}
		if size != last {
			grew = time.Now()
		} else {
			f, err := c.check(ctx)
			if err != nil {
				return false, err
			}
			if f.Equal() {
				c.say("The sink holds what the servers hold, %.1f s later.", time.Since(begun).Seconds())
				return true, nil
			}
		}
		last = size
		if time.Since(grew) >= patience {
			c.say("The sink does not hold what the servers hold, and nothing has arrived for %v.", patience)
			return false, nil
		}
		if err := pause(ctx, settleEvery); err != nil {
			return false, err
		}
	}
}

// restartInPeace stops Fairlead and starts it again while nothing happens. What
// it then delivers, but for one new object of each stream, it has delivered before.
func (c *chaos) restartInPeace(ctx context.Context) error {
	if err := errors.Join(c.program.terminate(ctx), c.program.start()); err != nil {
		return err
	}
	patient, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("fairlead has not followed all members within %v after its last start", patience))
	defer cancel()
	for !c.program.allLive(patient) {
		if err := pause(patient, settleEvery); err != nil {
			return err
		}
	}
	for _, w := range c.writers {
		for _, s := range []slot{
			{resource: resources[0], kind: "ConfigMap", name: "last"},
			{resource: resources[1], kind: "Secret", name: "last"},
		} {
			if err := w.until(ctx, &s, w.create); err != nil {
				return err
			}
		}
	}
	if _, err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.program.terminate(ctx); err != nil {
		return err
	}
	f, err := c.check(ctx)
	if err != nil {
		return err
	}
	c.result.Resent = max(0, f.LastRun-len(c.writers)*len(resources))
	c.say("After a stop and a start in peace, %d events were delivered again.", c.result.Resent)
	return nil
}

func (c *chaos) check(ctx context.Context) (*findings, error) {
	held, err := c.fleet.held(ctx)
	if err != nil {
		return nil, err
	}
	refused, err := readRefusals(c.program.control.refused())
	if err != nil {
		return nil, err
	}
	return check(c.program.control.sink(), c.program.runs, refused, held)
}

// close ends everything.
func (c *chaos) close() error {
	if c.program != nil {
		c.program.close()
	}
	var errs []error
	if c.hostile != nil {
		errs = append(errs, c.hostile.Close())
	}
	if c.fleet != nil {
		errs = append(errs, c.fleet.close())
	}
	if c.journal != nil {
		errs = append(errs, c.journal.close())
	}
	return errors.Join(errs...)
}
