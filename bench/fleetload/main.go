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
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

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

// usageError is what is wrong with the command line.
type usageError struct{ error }

// newCommand returns the command line. start gets what its flags say.
func newCommand(start func(context.Context, settings) error) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:           "fleetload",
		Short:         "Serve a simulated fleet of a shape of your own, and follow it if asked to",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.validate(); err != nil {
				return usageError{err}
			}
			return start(cmd.Context(), s)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; --help tells of all flags", err)}
	})
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&s.shape.Clusters, "clusters", 100, "members")
	flags.StringSliceVar(&s.shape.Resources, "resources", []string{"configmaps"}, "resources of each member, separated by commas, with .group if it is not the core group")
	flags.IntVar(&s.shape.Objects, "objects", 1000, "objects of each resource of each member")
	flags.IntVar(&s.shape.Size, "size", simserver.DefaultSize, "bytes of an object's JSON, at least 700")
	flags.IntVar(&s.shape.Window, "window", simserver.DefaultWindow, "events that a resource of a member keeps for watches to resume from")
	flags.StringVar(&s.shape.Address, "address", "127.0.0.1:0", "where the members listen")
	flags.BoolVar(&s.shape.PlainHTTP, "plain-http", false, "serve without TLS")
	flags.Float64Var(&s.churn.PerSecond, "churn", 100, "changes per second, of all members together")
	flags.Float64Var(&s.churn.Skew, "skew", 0, "unevenness of the churn: the n-th member gets a share of 1/n^skew")
	flags.Float64Var(&s.churn.Replaced, "replaced", 0.05, "share of the changes that delete an object, which is made anew later")
	flags.StringVar(&s.kubeconfig, "kubeconfig", "fleetload.kubeconfig", "file to write, with a context for each member; one that is there is replaced; not with --run")
	flags.DurationVar(&s.duration, "duration", 0, "how long to go on; 0 is until interrupted")
	flags.DurationVar(&s.interval, "interval", 5*time.Second, "how often to tell how it goes")
	flags.BoolVar(&s.run, "run", false, "follow the members as well, and tell throughput, lag and memory")
	flags.Float64Var(&s.clusterQPS, "cluster-qps", 200, "with --run: changes per second of one member, as fairlead run has it; 0 is no limit")
	flags.IntVar(&s.workers, "workers", 64, "with --run: changes on their way to the sink at once")
	return cmd
}

// validate returns what is wrong with the flags; what is wrong with resources and
// address is found out by who uses them.
func (s settings) validate() error {
	const most = 1e9 // what no machine can do, and every number can hold
	var errs []error
	for _, f := range []struct {
		name  string
		value any
		ok    bool
		want  string
	}{
		{"clusters", s.shape.Clusters, s.shape.Clusters >= 1, "at least 1"},
		{"objects", s.shape.Objects, s.shape.Objects >= 0, "at least 0"},
		{"size", s.shape.Size, s.shape.Size >= 700, "at least 700, what an object has in any case"},
		{"window", s.shape.Window, s.shape.Window >= 1, "at least 1"},
		{"churn", s.churn.PerSecond, s.churn.PerSecond >= 0 && s.churn.PerSecond <= most, "a number from 0 to 1e9"},
		{"skew", s.churn.Skew, s.churn.Skew >= 0 && s.churn.Skew <= 100, "a number from 0 to 100; 0 is evenly"},
		{"replaced", s.churn.Replaced, s.churn.Replaced >= 0 && s.churn.Replaced <= 1, "a share from 0 to 1"},
		{"duration", s.duration, s.duration >= 0, "at least 0, which is until interrupted"},
		{"interval", s.interval, s.interval > 0, "more than 0"},
		{"cluster-qps", s.clusterQPS, s.clusterQPS >= 0 && s.clusterQPS <= most, "a number from 0, which is no limit, to 1e9"},
		{"workers", s.workers, s.workers >= 1, "at least 1"},
	} {
		if !f.ok {
			errs = append(errs, fmt.Errorf("--%s %v: must be %s", f.name, f.value, f.want))
		}
	}
	return errors.Join(errs...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleetload:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 if the command line is wrong, and else 1, as with the other programs.
func exitCode(err error) int {
	if _, usage := errors.AsType[usageError](err); usage {
		return 2
	}
	return 1
}

func start(ctx context.Context, args []string, out io.Writer) error {
	cmd := newCommand(func(ctx context.Context, s settings) error {
		if s.duration > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.duration)
			defer cancel()
		}
		if s.run {
			return runBoth(ctx, s, args, out)
		}
		return serve(ctx, s, out)
	})
	cmd.SetArgs(args)
	cmd.SetOut(out)
	return cmd.ExecuteContext(ctx)
}
