package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

// options are what the flags say.
type options struct {
	fairlead   string
	duration   time.Duration // of the traffic
	cut        time.Duration
	settle     time.Duration
	rate       float64 // writes per second
	flood      float64 // times rate
	objects    int     // per member
	clusterQPS float64 // changes per second
	seed       uint64
	sink       string // beside the file: empty, or sinkPostgres
	keep       bool
}

// sinkPostgres is the value of --sink that there is.
const sinkPostgres = "postgres"

const intro = `Three members of a fleet, each a real Kubernetes control plane, stream the changes
of their ConfigMaps through one Fairlead, and a hub stands by:

  quiet     changes a little, and must not notice what happens to the others
  flooding  changes a hundred times as much, more than its bucket lets through
  faraway   is cut off for a while, and its objects change and go meanwhile

At the end the demo compares what Fairlead's sink received with what the API servers
hold, and prints one line of JSON. It exits with 1 if anything is missing, a ghost
(the sink has it, the server does not), or out of order.

The latencies in the JSON are from just before a write is sent to its line in the
sink's file. quiet_p99_ms is over all writes in quiet, and over no other member's:
faraway changes as little, but what changes in it while it is cut off arrives late.
flooding_p99_ms is over those writes in flooding that arrived; the others were
coalesced, which means that a newer state of the same object took their place.
Objects that were there before Fairlead started count for neither.

A bucket's token is for one object. Where one was deleted and created again before its
turn came, the deletion of the first goes out with the second, so that flooding may
deliver more than --cluster-qps lines a second.

With --sink postgres a PostgreSQL server is started, Fairlead keeps a table in it beside
the file, and in the end that table is compared with the API servers, row by row.

Usage: fairlead-demo [flags]
       make demo ARGS="--duration 30s --keep"

`

// newCommand returns the demo's command line. play runs it.
func newCommand(play func(context.Context, *options) error) *cobra.Command {
	o := &options{}
	return lab.NewCommand("fairlead-demo", intro, o, func(ctx context.Context, _ io.Writer) error { return play(ctx, o) })
}

// AddFlags implements lab.Options.
func (o *options) AddFlags(f *pflag.FlagSet) {
	f.DurationVar(&o.duration, "duration", 45*time.Second, "how long the writers write; start, settling and check take about half a minute more")
	f.Float64Var(&o.rate, "rate", 2, "writes per second in quiet and in faraway")
	f.Float64Var(&o.flood, "flood", 100, "how many times that rate flooding writes at")
	f.IntVar(&o.objects, "objects", 200, "ConfigMaps per member")
	f.DurationVar(&o.cut, "cut", 10*time.Second, "how long faraway is cut off")
	f.Float64Var(&o.clusterQPS, "cluster-qps", 50, "fairlead run --cluster-qps: changes per second that one member may put in")
	f.DurationVar(&o.settle, "settle", 30*time.Second, "how long after the last write the sink may take to hold what the servers hold")
	f.Uint64Var(&o.seed, "seed", 1, "decides which objects change")
	f.StringVar(&o.sink, "sink", "", "one more sink: "+sinkPostgres)
	f.BoolVar(&o.keep, "keep", false, "stay up at the end until Ctrl-C, and print the kubeconfig and the URLs")
	f.StringVar(&o.fairlead, "fairlead", "", "the program to show (default: fairlead beside this one)")
}

// Check implements lab.Options.
func (o *options) Check() error {
	if o.fairlead == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find the fairlead binary beside this program: %w; name it with --fairlead", err)
		}
		o.fairlead = filepath.Join(filepath.Dir(self), "fairlead")
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch info, err := os.Stat(o.fairlead); {
	case err != nil:
		bad("no program to show: %w; run `make build`, or name one with --fairlead", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		bad("no program to show: %s is not executable; run `make build`, or name another with --fairlead", o.fairlead)
	}
	if !positive(o.rate) {
		bad("--rate: %v is not positive; give writes per second", o.rate)
	}
	if !positive(o.flood) || o.flood < 1 {
		bad("--flood: %v is less than 1", o.flood)
	}
	if o.objects < 10 {
		bad("--objects: %d is less than 10, too few to delete some and change others", o.objects)
	}
	if !positive(o.clusterQPS) {
		bad("--cluster-qps: %v is not positive; give changes per second", o.clusterQPS)
	} else if o.settle < o.backlog() {
		bad("--settle: %v is less than a member needs to put in %d objects at %v a second; give at least %v",
			o.settle, o.objects, o.clusterQPS, o.backlog())
	}
	if o.sink != "" && o.sink != sinkPostgres {
		bad("--sink: there is no %q, but %s", o.sink, sinkPostgres)
	}
	if o.cut <= 0 {
		bad("--cut: %v is not positive", o.cut)
	}
	if o.duration < o.shortest() {
		bad("--duration: %v is too short for a cut of %v; give at least %v", o.duration, o.cut, o.shortest())
	}
	return errors.Join(errs...)
}

// positive is false for what is no number, too, and for infinity.
func positive(f float64) bool { return f > 0 && !math.IsInf(f, 1) }

// backlog is the time that a member needs to put in all its objects, twice over:
// the machine has other things to do.
func (o *options) backlog() time.Duration {
	return 2 * time.Duration(float64(o.objects)/o.clusterQPS*float64(time.Second))
}

// The acts. Traffic is quiet everywhere at first, then flooding floods until the
// end, and in the middle of that faraway is cut off.

func (o *options) floodStart() time.Duration { return min(o.duration/8, 5*time.Second) }

func (o *options) cutStart() time.Duration { return o.duration / 3 }

// shortest leaves time before the cut, and as much again after it.
func (o *options) shortest() time.Duration { return o.cut * 2 }
