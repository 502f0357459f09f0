package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

const (
	// stopGrace is longer than the program may drain and shut down for.
	stopGrace = 40 * time.Second

	// abortGrace is for a program whose deliveries matter no more.
	abortGrace = 3 * time.Second

	readyTimeout = 30 * time.Second

	lookEvery   = time.Second
	settleEvery = 250 * time.Millisecond
)

// demo is what runs while the demo does.
type demo struct {
	*options
	screen *screen
	dir    string // the demo's files
	sink   string // the file that Fairlead writes
	direct string // the kubeconfig for people

	cast    *cast
	db      *database // nil: there is none
	stamps  *stamps
	writers map[string]*writer // by member
	tail    *tail
	child   *lab.Program
	program *program
}

// play runs the demo from start to end. The error wraps interrupt's cause when that
// ended before; whatever it is, nothing that was started is left.
func play(interrupt context.Context, o *options, s *screen) (err error) {
	// ctx ends early for one reason, which is then what the demo fails with.
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	ignoreInterrupt := context.AfterFunc(interrupt, func() { fail(context.Cause(interrupt)) })

	d := &demo{options: o, screen: s, stamps: newStamps(), writers: map[string]*writer{}}
	if d.dir, err = workDir(); err != nil {
		return err
	}
	var background errgroup.Group
	defer func() {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // What failed because of it is no news.
		}
		s.leave()
		fail(nil)
		err = errors.Join(err, d.end(&background, errors.Is(err, errNotEqual)))
	}()

	if err := d.raise(ctx); err != nil {
		return err
	}
	running, stopRunning := context.WithCancel(ctx)
	defer stopRunning()
	if err := d.startProgram(running, fail, &background); err != nil {
		return err
	}
	if d.settleAtStart(ctx) {
		if err := d.traffic(ctx, fail); err != nil || ctx.Err() != nil {
			return err
		}
		d.settleAtEnd(ctx)
	}
	if ctx.Err() == nil && o.keep && ignoreInterrupt() {
		d.stayUp(ctx, interrupt)
	}
	if ctx.Err() != nil {
		return nil // The cause is what counts.
	}
	stopRunning()
	return d.finish(ctx)
}

// raise starts the control planes and fills them.
func (d *demo) raise(ctx context.Context) (err error) {
	if d.options.sink == sinkPostgres {
		d.screen.say("Starting PostgreSQL.")
		if d.db, err = startDatabase(ctx, d.dir); err != nil {
			return err
		}
	}
	d.screen.say("Starting a hub and three members, each a kube-apiserver with its etcd.")
	if d.cast, err = startCast(ctx); err != nil {
		return err
	}
	d.screen.say("They are up. Putting %d ConfigMaps into each of %s.", d.objects, strings.Join(memberNames, ", "))
	filling, ctx := errgroup.WithContext(ctx)
	for i, m := range d.cast.members {
		w := newWriter(m.client, d.stamps, d.objects, d.rate, d.seed, uint64(i))
		d.writers[m.Name] = w
		filling.Go(func() error {
			if err := w.fill(ctx, m.client); err != nil {
				return fmt.Errorf("fill cluster %s: %w", m.Name, err)
			}
			return nil
		})
	}
	return filling.Wait()
}

// startProgram starts Fairlead and what looks at it from outside, which goes on in
// background until running ends, and waits until Fairlead says that it is ready.
func (d *demo) startProgram(running context.Context, fail context.CancelCauseFunc, background *errgroup.Group) error {
	fleet, direct, err := d.cast.writeKubeconfigs(d.dir)
	if err != nil {
		return err
	}
	addresses, err := lab.FreeAddresses(2)
	if err != nil {
		return err
	}
	d.direct = direct
	d.sink = filepath.Join(d.dir, "changes.jsonl")
	d.program = newProgram(addresses[0], addresses[1])
	d.tail = newTail(d.sink, d.stamps)
	args := []string{
		"run",
		"--clusters", "kubeconfig:" + fleet,
		"--watch", "configmaps",
		"--sink", "file:" + d.sink,
		"--ledger", filepath.Join(d.dir, "ledger"),
		"--cluster-qps", strconv.FormatFloat(d.clusterQPS, 'f', -1, 64),
		"--cluster-burst", strconv.Itoa(max(int(d.clusterQPS), 1)),
		// The default of a minute suits outages longer than this one.
		"--reconnect-max", "4s",
		"--metrics-bind-address", addresses[0],
		"--health-probe-bind-address", addresses[1],
		"--admin-bind-address", "0",
	}
	if d.db != nil {
		args = append(args, "--sink", d.db.flag())
	}
	d.screen.say("Starting Fairlead:\n%s", drawCommand(filepath.Base(d.fairlead), args))
	if d.child, err = lab.StartProgram(fail, filepath.Join(d.dir, "fairlead.log"), d.fairlead, args...); err != nil {
		return err
	}

	start, cancel := context.WithTimeoutCause(running, readyTimeout, fmt.Errorf("not within %v", readyTimeout))
	defer cancel()
	if err := lab.WaitUntil(start, 50*time.Millisecond, func() error { return d.program.ready(start) }); err != nil {
		return fmt.Errorf("fairlead is not ready: %w; the end of its log:\n%s", err, d.child.LogTail())
	}
	background.Go(func() error {
		if err := d.tail.run(running); err != nil {
			fail(err)
		}
		return nil
	})
	background.Go(func() error {
		if err := d.drawTable(running); err != nil {
			fail(err)
		}
		return nil
	})
	return nil
}

// drawTable draws the table until ctx ends. It fails when the program cannot be
// asked any more.
func (d *demo) drawTable(ctx context.Context) error {
	const attempts = 5
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	failed := 0
	for {
		rows, err := d.program.look(ctx, time.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			failed = 0
			d.screen.show(rows)
		default:
			if failed++; failed == attempts {
				return fmt.Errorf("fairlead does not tell how it is: %w; the end of its log:\n%s", err, d.child.LogTail())
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// end ends and removes everything, but leaves the demo's files if they are
// evidence of what went wrong.
func (d *demo) end(background *errgroup.Group, evidence bool) error {
	var errs []error
	// How it ends matters in finish only; here it just has to.
	_ = d.child.Stop(abortGrace)
	errs = append(errs, background.Wait())
	if d.cast != nil {
		errs = append(errs, d.cast.Close())
	}
	if d.db != nil {
		errs = append(errs, d.db.rig.Close())
	}
	if !evidence {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}
