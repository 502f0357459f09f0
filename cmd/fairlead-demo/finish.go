package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// settled waits until the sink holds what the API servers hold, and nothing else.
// How long is bounded by the settle option.
func (d *demo) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.settle, fmt.Errorf("not within %v", d.settle))
	defer cancel()
	return lab.WaitUntil(ctx, settleEvery, func() error {
		held, err := d.cast.held(ctx)
		if err != nil {
			return err
		}
		if err := differenceError(d.tail.compare(held)); err != nil || d.db == nil {
			return err
		}
		difference, err := d.db.difference(ctx, held)
		if err != nil {
			return err
		}
		return differenceError(difference)
	})
}

// differenceError returns nil if there is no difference.
func differenceError(d replay.Difference) error {
	if d.Equal() {
		return nil
	}
	example := slices.Concat(d.Missing, d.Ghosts)[0]
	return fmt.Errorf("%d missing, %d ghosts, such as %s", len(d.Missing), len(d.Ghosts), example)
}

// settleAtStart waits until Fairlead has delivered what was there before it. It
// returns false if Fairlead has not; there is no point in going on then, and the
// check tells what is missing.
func (d *demo) settleAtStart(ctx context.Context) bool {
	begun := time.Now()
	if err := d.settled(ctx); err != nil {
		if ctx.Err() == nil {
			d.screen.say("Fairlead has not delivered what was there: %v", err)
		}
		return false
	}
	d.screen.say("Fairlead has delivered all that was there, at %g changes a second and member, in %s.",
		d.clusterQPS, roughly(time.Since(begun)))
	return true
}

// settleAtEnd gives what is under way the time to arrive. Whether it has is for
// the check to say.
func (d *demo) settleAtEnd(ctx context.Context) {
	begun := time.Now()
	d.screen.say("The writers have stopped after %d writes.", d.written())
	switch err := d.settled(ctx); {
	case err == nil:
		d.screen.say("The sink holds what the API servers hold, %s after the last write.", roughly(time.Since(begun)))
	case ctx.Err() == nil:
		d.screen.say("The sink does not hold what the API servers hold: %v", err)
	}
}

// stayUp waits until someone has seen enough.
func (d *demo) stayUp(ctx, interrupt context.Context) {
	d.screen.say("Staying up until Ctrl-C. What you change now is checked at the end, too.")
	database := ""
	if d.db != nil {
		database = "  database    " + d.db.psql() + "\n"
	}
	d.screen.print(fmt.Sprintf(`
  kubeconfig  %[1]s
              contexts %[2]s
  try         kubectl --kubeconfig %[1]s \
                --context %[3]s create configmap mine --from-literal=key=value
  sink        tail -f %[4]s
  log         %[5]s
  status      %[6]s/clusters
  metrics     %[7]s/metrics
%[8]s`, d.direct, strings.Join(append(memberNames, hub), ", "), quiet, d.sink, d.child.Log(), d.program.health, d.program.metrics, database))
	select {
	case <-interrupt.Done():
	case <-ctx.Done():
		return
	}
	if err := d.settled(ctx); err != nil && ctx.Err() == nil {
		d.screen.say("The sink does not hold what the API servers hold: %v", err)
	}
}

// finish stops Fairlead, checks what it has left behind, and reports.
func (d *demo) finish(ctx context.Context) error {
	stopErr := d.child.Stop(stopGrace)
	if stopErr == nil {
		d.screen.say("Fairlead has ended with exit code 0 after SIGTERM.")
	}
	held, err := d.cast.held(ctx)
	if err != nil {
		return errors.Join(err, stopErr)
	}
	v, err := check(d.sink, held)
	if err != nil {
		return errors.Join(err, stopErr)
	}
	table := ""
	if d.db != nil {
		difference, err := d.db.difference(ctx, held)
		if err != nil {
			return errors.Join(err, stopErr)
		}
		v.compare("the table in PostgreSQL", difference)
		if table, err = d.db.table(ctx); err != nil {
			return errors.Join(err, stopErr)
		}
	}
	d.complete(&v.result)
	line, err := lab.Line(v.result)
	if err != nil {
		return errors.Join(err, stopErr)
	}
	d.screen.say("The sink's file, replayed, against the API servers: %s.", v.words())
	d.screen.leave()
	d.screen.print("\n" + d.summary(held))
	if table != "" {
		d.screen.print("\nThe table in PostgreSQL, compared with the API servers row by row:\n\n" + table)
	}
	if len(v.wrong) == 0 {
		d.screen.print(outcomesExplained)
	} else {
		d.screen.print(fmt.Sprintf("Wrong:\n%s\n\nThe sink's file and Fairlead's log are left in %s\n", v.text(), d.dir))
	}
	d.screen.print(line)
	return errors.Join(v.err(), stopErr)
}

// complete adds what the file does not tell.
func (d *demo) complete(r *result) {
	r.Clusters = len(d.cast.members)
	r.Changes = d.written()
	r.QuietP99 = milliseconds(d.tail.of(quiet))
	r.FloodingP99 = milliseconds(d.tail.of(flooding))
}

// written counts all writes that the members have accepted.
func (d *demo) written() int {
	total := 0
	for _, w := range d.writers {
		total += w.soFar().total()
	}
	return total
}

// summary tells what became of each member's writes.
func (d *demo) summary(held map[replay.Object]string) string {
	objects := map[string]int{}
	for o := range held {
		objects[o.Cluster]++
	}
	var rows []outcome
	for _, name := range memberNames {
		latencies := d.tail.of(name)
		o := outcome{
			cluster: name,
			objects: objects[name],
			written: d.writers[name].soFar().total() - d.objects,
			arrived: len(latencies),
		}
		o.p50, _ = percentile(latencies, 50)
		o.p99, _ = percentile(latencies, 99)
		rows = append(rows, o)
	}
	return drawOutcomes(rows)
}
