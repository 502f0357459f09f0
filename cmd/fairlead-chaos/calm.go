package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

const (
	// patience is how long nothing may arrive before the wait for the sinks to hold
	// what the servers hold is given up. It decides how long a failure takes, not
	// what is one: it is far longer than any delay between two attempts.
	patience = 90 * time.Second

	settleEvery = 300 * time.Millisecond
)

// calm waits until all has arrived, stops and starts Fairlead once more without a
// fault, and checks everything. Where there are several sinks, those that do not
// take everything may not keep anything from the others; then they do, then less is
// selected, and then everything again.
func (c *chaos) calm(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { c.program.watch(watching) })
	defer watch.Wait()
	defer stopWatching()

	c.say("The writers have stopped after %d writes, and all faults have ended.", c.clock.now())
	if err := c.readLetters(c.program.letters()); err != nil {
		return err
	}
	stages := []func(context.Context) error{c.sendAgain}
	if c.sinks > 1 {
		stages = append(stages,
			c.relent,
			func(ctx context.Context) error { return c.restartWith(ctx, narrow(c.sinks)) },
			func(ctx context.Context) error { return c.restartWith(ctx, wide(c.sinks)) },
		)
	}
	settled := true
	for _, stage := range stages {
		if err := stage(ctx); err != nil {
			return err
		}
		var err error
		if settled, err = c.settle(ctx); err != nil {
			return err
		}
		if !settled {
			break
		}
	}
	if settled {
		if err := c.restartInPeace(ctx); err != nil {
			return err
		}
	} else if err := c.program.terminate(ctx); err != nil {
		return err
	}
	return c.judge(ctx)
}

// readLetters notes the dead letters of the destination, which has no reason to refuse
// anything for good.
func (c *chaos) readLetters(paths ...string) error {
	for _, path := range paths {
		if c.outside == nil {
			return nil
		}
		letters, err := lettersOf(path, theDestination)
		if err != nil {
			return err
		}
		c.letters = append(c.letters, letters...)
	}
	return nil
}

// sendAgain has Fairlead send all dead letters again, with all sinks and for
// everything, because it keeps those of what it does not follow.
func (c *chaos) sendAgain(ctx context.Context) error {
	if all := wide(c.sinks); !c.program.setting.equal(all) {
		if err := errors.Join(c.program.terminate(ctx), c.program.startWith(all)); err != nil {
			return err
		}
	}
	for _, o := range c.program.outlets {
		refused, err := readRefusals(o.control.refused())
		if err != nil {
			return err
		}
		c.result.Refused += len(refused)
	}
	if c.result.Refused == 0 {
		return nil
	}
	if err := c.program.sendDeadLetters(ctx); err != nil {
		return err
	}
	c.say("All dead letters were sent again: the sink has refused %d times.", c.result.Refused)
	return nil
}

// relent makes all sinks take everything.
func (c *chaos) relent(context.Context) error {
	for _, o := range c.program.outlets {
		if o.hangs {
			c.say("Of %s it takes everything again: it has hung.", o.name)
		}
		if o.shuns != "" {
			c.say("Of %s it takes everything again: it has refused all of %s.", o.name, o.shuns)
		}
		if err := o.relent(); err != nil {
			return err
		}
	}
	return nil
}

// restartWith stops Fairlead and starts it in another setting, with nothing that it
// was asked for still to be done.
func (c *chaos) restartWith(ctx context.Context, s setting) error {
	if err := errors.Join(c.program.terminate(ctx), c.program.startWith(s)); err != nil {
		return err
	}
	c.program.forgetAsked()
	c.say("Started again for %v.", s)
	return nil
}

// settle waits until the sinks hold what the servers hold. It returns false if that
// does not come about.
func (c *chaos) settle(ctx context.Context) (bool, error) {
	begun, grew := time.Now(), time.Now()
	last, lastDiffers := int64(-1), -1
	for {
		// Replaying is dear, and pointless while events arrive.
		var size int64
		for _, o := range c.program.outlets {
			n, err := fileSize(o.control.sink())
			if err != nil {
				return false, err
			}
			size += n
		}
		if size != last {
			grew = time.Now()
		} else {
			all, err := c.check(ctx)
			if err != nil {
				return false, err
			}
			differs := 0
			if c.outside != nil {
				f, err := c.checkOutside(ctx)
				if err != nil {
					return false, err
				}
				if differs = len(f.all()) + len(f.ByID.all()) + len(f.ByNumber.all()); differs != lastDiffers {
					grew = time.Now()
				}
				lastDiffers = differs
			}
			if differs == 0 && !slices.ContainsFunc(all, func(f *findings) bool { return !f.Equal() }) {
				c.say("The sinks hold what the servers hold, %.1f s later.", time.Since(begun).Seconds())
				c.note(all)
				return true, nil
			}
		}
		last = size
		if time.Since(grew) >= patience {
			c.say("The sinks do not hold what the servers hold, and nothing has arrived for %v.", patience)
			return false, nil
		}
		if err := retry.Sleep(ctx, settleEvery); err != nil {
			return false, err
		}
	}
}

// note takes what consumers of other kinds would hold at a time when the sinks hold
// what they should: it may change until the end, and was wrong all the same.
func (c *chaos) note(all []*findings) {
	for i, f := range all {
		c.result.add(c.program.outlets[i], f)
		for who, by := range map[string]*found{"by number": &f.ByNumber} {
			for _, problem := range slices.Concat(by.Missing, by.Ghosts) {
				c.wrong = append(c.wrong, fmt.Sprintf("%s, run %d, %s: %s", c.program.outlets[i].name, len(c.program.processes), who, problem))
			}
		}
	}
}

// restartInPeace stops Fairlead and starts it again while nothing happens. What
// it then delivers, but for one new object of each stream, it has delivered before.
func (c *chaos) restartInPeace(ctx context.Context) error {
	if err := errors.Join(c.program.terminate(ctx), c.program.startWith(c.program.setting)); err != nil {
		return err
	}
	c.program.forgetAsked()
	patient, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("fairlead has not followed all members within %v after its last start", patience))
	defer cancel()
	for !c.program.allLive(patient) {
		if err := retry.Sleep(patient, settleEvery); err != nil {
			return err
		}
	}
	for _, w := range c.writers {
		for _, s := range []slot{
			{resource: resources[0], kind: "ConfigMap", namespace: writtenTo[0], name: "last"},
			{resource: resources[1], kind: "Secret", namespace: writtenTo[0], name: "last"},
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
	all, err := c.check(ctx)
	if err != nil {
		return err
	}
	for _, f := range all {
		c.result.Resent += max(0, f.LastRun-len(c.writers)*len(resources))
	}
	c.say("After a stop and a start in peace, %d events were delivered again.", c.result.Resent)
	return nil
}

// judge says what is wrong in the end.
func (c *chaos) judge(ctx context.Context) error {
	c.result.Lists = c.program.lists()
	c.result.Settings = c.program.changedSettings()
	all, err := c.check(ctx)
	if err != nil {
		return err
	}
	for i, f := range all {
		for _, problem := range f.problems() {
			c.wrong = append(c.wrong, c.program.outlets[i].name+": "+problem)
		}
	}
	if c.outside != nil {
		f, err := c.checkOutside(ctx)
		if err != nil {
			return err
		}
		for who, problems := range map[string][]string{"": f.all(), "by id: ": f.ByID.all(), "by number: ": f.ByNumber.all()} {
			for _, problem := range problems {
				c.wrong = append(c.wrong, theDestination+": "+who+problem)
			}
		}
		for _, problem := range slices.Concat(c.letters, f.OldTerms) {
			c.wrong = append(c.wrong, theDestination+": "+problem)
		}
		c.result.outside(c.sink, f, len(c.letters))
		c.result.Destination.Failovers, c.result.Destination.FailoversAmid = c.outside.failovers, c.outside.amid
		if c.several != nil {
			c.result.Destination.LateWrites = c.several.lateThere
			c.result.Destination.OldTerms += len(c.several.back)
		}
	}
	c.result.finish(c.program.outlets, all)
	for i := range c.result.Sinks {
		c.result.Sinks[i].Out = c.program.processesWithout(i)
	}
	if len(c.wrong) > 0 {
		c.say("Wrong:\n%s", "  "+strings.Join(lab.Some(c.wrong), "\n  "))
		text := strings.Join(c.wrong, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(c.dir, "problems.txt"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return c.result.err()
}

// check returns the findings about each sink, as far as it takes what there is.
func (c *chaos) check(ctx context.Context) ([]*findings, error) {
	held := map[filter]map[replay.Object]string{}
	var all []*findings
	for i, o := range c.program.outlets {
		for _, of := range []filter{{}, {where: true}} {
			if held[of] == nil {
				var err error
				if held[of], err = c.fleet.held(ctx, of.narrows(c.program.setting.selected)); err != nil {
					return nil, err
				}
			}
		}
		var err error
		if c.several != nil && c.ledger == ledgerShared {
			if o.runs, err = readRuns(o, c.records); err != nil {
				return nil, err
			}
			c.result.Restarts = max(0, len(o.runs)-1)
		}
		refused, err := readRefusals(o.control.refused())
		if err != nil {
			return nil, err
		}
		ev := evidence{filter: o.filter, red: held[filter{where: true}], path: o.control.sink(), runs: o.runs, refused: refused, selective: c.sinks > 1, terms: c.several != nil, seed: c.seed}
		for _, m := range c.fleet.members {
			if !o.hangs && !c.program.setting.out[i] && o.shuns != m.Name {
				ev.clusters = append(ev.clusters, m.Name)
			}
		}
		ev.held = maps.Clone(held[filter{where: o.filter.where}])
		maps.DeleteFunc(ev.held, func(object replay.Object, _ string) bool { return !slices.Contains(ev.clusters, object.Cluster) })
		if len(ev.clusters) == 0 {
			ev.clusters = []string{""} // of none
		}
		how := check
		if c.ledger == ledgerMemory {
			how = checkTerms
		}
		f, err := how(ev)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		if c.ledger == ledgerMemory {
			c.result.Restarts = max(0, f.Terms-1)
			if c.result.LateWrites, err = o.control.lateWrites(); err != nil {
				return nil, err
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// checkOutside returns the findings about the destination.
func (c *chaos) checkOutside(ctx context.Context) (*findings, error) {
	held, err := c.fleet.held(ctx, c.program.setting.selected)
	if err != nil {
		return nil, err
	}
	var clusters []string
	for _, m := range c.fleet.members {
		clusters = append(clusters, m.Name)
	}
	return c.outside.check(ctx, held, clusters, delivery{several: c.several != nil, forgetful: c.ledger == ledgerMemory})
}

// outsideSink returns the value of --sink that leads to the destination.
func (c *chaos) outsideSink() string {
	if c.outside == nil {
		return ""
	}
	return c.outside.sink
}
