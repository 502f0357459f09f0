package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

// traffic lets the writers write, and things happen, for the demo's duration.
func (d *demo) traffic(ctx context.Context, fail context.CancelCauseFunc) error {
	stop, stopWriting := context.WithTimeout(ctx, d.duration)
	defer stopWriting()
	var writing errgroup.Group
	for name, w := range d.writers {
		writing.Go(func() error {
			if err := w.run(ctx, stop); err != nil {
				err = fmt.Errorf("write to cluster %s: %w", name, err)
				fail(err)
				return err
			}
			return nil
		})
	}
	d.screen.say("From now on an object of each member changes %s.", frequency(d.rate))
	err := d.acts(stop)
	if writeErr := writing.Wait(); writeErr != nil {
		return writeErr
	}
	return err
}

// acts are what happens to the members while the writers write. It returns when
// ctx ends.
func (d *demo) acts(ctx context.Context) error {
	begun := time.Now()
	if retry.Sleep(ctx, d.floodStart()) != nil {
		return nil //nolint:nilerr // The demo is over.
	}
	d.writers[flooding].limit.SetLimit(rate.Limit(d.rate * d.flood))
	d.screen.say("%s floods: its objects change %s. Its bucket has %g tokens a second.",
		flooding, frequency(d.rate*d.flood), d.clusterQPS)

	if retry.Sleep(ctx, d.cutStart()-time.Since(begun)) != nil {
		return nil //nolint:nilerr // The demo is over.
	}
	if err := d.cutOff(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// cutOff cuts the line between Fairlead and the far member for a while.
func (d *demo) cutOff(ctx context.Context) error {
	m, w := d.cast.member(faraway), d.writers[faraway]
	before := w.soFar()
	m.Proxy.Cut()
	d.screen.say("%s is cut off for %v. Its objects go on changing.", faraway, d.cut)
	if retry.Sleep(ctx, d.cut) != nil {
		return nil //nolint:nilerr // The demo is over.
	}
	meanwhile := w.soFar().minus(before)
	if err := m.Proxy.Restore(); err != nil {
		return err
	}
	d.screen.say("%s can be reached again. Meanwhile %d objects were updated, %d deleted, %d created.",
		faraway, meanwhile.updated, meanwhile.deleted, meanwhile.created)
	restored := time.Now()
	err := lab.WaitUntil(ctx, 50*time.Millisecond, func() error { return d.equal(ctx, m) })
	if err == nil {
		d.screen.say("Fairlead has caught up with %s after %s; the deletions have arrived, too.", faraway, roughly(time.Since(restored)))
	}
	return nil // If it never does, the check at the end tells.
}

// equal returns nil if the sink holds what the member holds, and nothing else of
// it. While the writers write this is true at most moments, not at all.
func (d *demo) equal(ctx context.Context, m *member) error {
	held, err := m.Held(ctx, configMaps, "", "")
	if err != nil {
		return err
	}
	return differenceError(d.tail.compare(held, m.Name))
}

// frequency puts a rate into words.
func frequency(perSecond float64) string {
	switch perSecond {
	case 1:
		return "once a second"
	case 2:
		return "twice a second"
	}
	return fmt.Sprintf("%g times a second", perSecond)
}
