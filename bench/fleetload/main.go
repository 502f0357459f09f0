// Command fleetload serves a simulated fleet of a shape of your own, so that you
// can try Fairlead on it before you try it on yours:
//
//	go run ./bench/fleetload --clusters 200 --objects 1000 --churn 500 --skew 1
//	bin/fairlead run --clusters kubeconfig:fleetload.kubeconfig --watch configmaps --sink file:/tmp/out
//
// Every context of the kubeconfig it writes is a member. Members are simulated:
// they serve what Fairlead reads, from one process, and nothing else; what an
// event costs a real API server cannot be told from them. With --run it follows
// them itself, in a process apart from theirs, into a sink that drops everything,
// and tells how that goes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
)

// settings is what the flags say.
type settings struct {
	shape      simserver.Options
	churn      simserver.Churn
	kubeconfig string
	duration   time.Duration
	interval   time.Duration

	run        bool
	clusterQPS float64
	workers    int
}

func parse(args []string, out io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("fleetload", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&s.shape.Clusters, "clusters", 100, "members")
	resources := flags.String("resources", "configmaps", "resources of each member, separated by commas, with .group if it is not the core group")
	flags.IntVar(&s.shape.Objects, "objects", 1000, "objects of each resource of each member")
	flags.IntVar(&s.shape.Size, "size", simserver.DefaultSize, "bytes of an object's JSON, from about 700")
	flags.IntVar(&s.shape.Window, "window", simserver.DefaultWindow, "events that a resource of a member keeps for watches to resume from")
	flags.StringVar(&s.shape.Address, "address", "127.0.0.1:0", "where the members listen")
	flags.BoolVar(&s.shape.PlainHTTP, "plain-http", false, "serve without TLS")
	flags.Float64Var(&s.churn.PerSecond, "churn", 100, "changes per second, of all members together")
	flags.Float64Var(&s.churn.Skew, "skew", 0, "unevenness of the churn: the n-th member gets a share of 1/n^skew")
	flags.Float64Var(&s.churn.Replaced, "replaced", 0.05, "share of the changes that delete an object, which is made anew later")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "fleetload.kubeconfig", "file to write, with a context for each member")
	flags.DurationVar(&s.duration, "duration", 0, "how long to go on; 0 is until interrupted")
	flags.DurationVar(&s.interval, "interval", 5*time.Second, "how often to tell how it goes")
	flags.BoolVar(&s.run, "run", false, "follow the members as well, and tell throughput, lag and memory")
	flags.Float64Var(&s.clusterQPS, "cluster-qps", 200, "with --run: changes per second of one member, as `fairlead run` has it; 0 is no limit")
	flags.IntVar(&s.workers, "workers", 64, "with --run: changes on their way to the sink at once")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	s.shape.Resources = strings.Split(*resources, ",")
	var errs []error
	for _, positive := range []struct {
		name string
		ok   bool
	}{
		{"clusters", s.shape.Clusters > 0}, {"objects", s.shape.Objects >= 0}, {"size", s.shape.Size > 0}, {"window", s.shape.Window > 0},
		{"duration", s.duration >= 0}, {"interval", s.interval > 0}, {"cluster-qps", s.clusterQPS >= 0}, {"workers", s.workers > 0},
	} {
		if !positive.ok {
			errs = append(errs, fmt.Errorf("--%s: too small", positive.name))
		}
	}
	return s, errors.Join(append(errs, s.churn.Validate())...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fleetload:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	if s.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	if s.run {
		return runBoth(ctx, s, args, out)
	}
	return serve(ctx, s, out)
}
