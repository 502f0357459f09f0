package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

// chaos is what there is while it runs.
type chaos struct {
	*options
	dir     string
	say     func(format string, args ...any)
	fleet   *fleet
	hostile *hostile     // nil: there is none
	outside *destination // nil: there is none
	program *program
	several *failover // nil: there is one replica
	clock   *clock
	journal *journal
	records *records
	writers []*writer
	plan    []fault
	result  result
	wrong   []string // in words
	letters []string // dead letters of the destination, in words
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
	c := &chaos{options: o, clock: newClock(), records: newRecords(o.sinks > 1), result: result{Seed: o.seed}}
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
			c.say("The sinks' files, the ledgers, the log and the journal are left in %s", c.dir)
		} else {
			err = errors.Join(err, os.RemoveAll(c.dir))
		}
		c.result.Seconds = int(time.Since(begun).Seconds())
		c.result.fail(err)
		line, lineErr := lab.Line(&c.result)
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
	if c.several != nil {
		return c.several.run(ctx)
	}
	if err := c.storm(ctx); err != nil {
		return err
	}
	return c.calm(ctx)
}

// raise starts the control planes and Fairlead.
func (c *chaos) raise(ctx context.Context, fail context.CancelCauseFunc) (err error) {
	names := memberNames(c.members)
	var further []string
	if c.sink != "" {
		if c.outside, err = startDestination(ctx, c.sink, c.dir); err != nil {
			return err
		}
	}
	if c.options.replicas > 1 {
		c.plan = newFailoverPlan(c.seed, c.changes, c.faults, names, c.faultsOfLeader())
	} else {
		c.plan = newPlan(c.seed, c.changes, c.faults, names)
	}
	for _, o := range newOutlets(c.dir, c.options)[1:] {
		further = append(further, o.name)
	}
	c.plan = append(c.plan, newSinkPlan(c.seed, c.changes, further, names)...)
	if c.outside != nil {
		c.plan = append(c.plan, newDestinationPlan(c.seed, c.changes, c.faults, destinations[c.sink].kinds(c.duration))...)
	}
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
	namespaces := 1
	if c.sinks > 1 {
		namespaces = len(writtenTo)
	}
	for i, m := range c.fleet.members {
		c.writers = append(c.writers, newWriter(m, c.seed, uint64(i), perSecond, namespaces, c.clock, c.journal, c.records))
	}
	if c.program, err = newProgram(c, fail); err != nil {
		return err
	}
	if err := c.fleet.writeKubeconfig(c.program.kubeconfig()); err != nil {
		return err
	}
	if c.options.replicas > 1 {
		c.several, err = startFailover(ctx, c)
		return err
	}
	return c.program.start()
}

// storm lets everything change and fail.
func (c *chaos) storm(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	if c.several == nil {
		watch.Go(func() { c.program.watch(watching) })
	}
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
	b := &breaker{fleet: c.fleet, outside: c.outside, program: c.program, several: c.several, clock: c.clock, journal: c.journal, say: c.say}
	byTarget := map[string][]fault{}
	for _, f := range c.plan {
		byTarget[f.Target] = append(byTarget[f.Target], f)
	}
	for _, faults := range byTarget {
		all.Go(func() error { return b.run(ctx, faults) })
	}
	err := all.Wait()
	c.result.Changes, c.result.Faults, c.result.Restarts = c.clock.now(), len(c.plan), max(0, len(c.program.processes)-1)
	return err
}

// close ends everything.
func (c *chaos) close() error {
	if c.program != nil {
		c.program.close()
	}
	var errs []error
	if c.several != nil {
		errs = append(errs, c.several.close())
	}
	if c.hostile != nil {
		errs = append(errs, c.hostile.Close())
	}
	if c.fleet != nil {
		errs = append(errs, c.fleet.Close())
	}
	if c.outside != nil {
		errs = append(errs, c.outside.close())
	}
	if c.journal != nil {
		errs = append(errs, c.journal.close())
	}
	return errors.Join(errs...)
}
