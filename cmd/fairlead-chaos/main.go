package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/app"
	"github.com/fairlead-dev/fairlead/sinks"
)

const (
	exitFailed      = 1 // something was wrong, or nothing could be checked
	exitUsage       = 2
	exitInterrupted = 130 // what a shell reports for a program that Ctrl-C ended
)

// asFairlead is the first argument that makes this program the one under test.
const asFairlead = "fairlead"

// sinkScheme is what the faulty sink is called there.
const sinkScheme = "chaos"

// errInterrupted ends everything early because someone asked for it.
var errInterrupted = errors.New("interrupted")

func main() {
	if len(os.Args) > 1 && os.Args[1] == asFairlead {
		os.Exit(runFairlead(os.Args[2:]))
	}
	os.Exit(runChaos(os.Args[1:]))
}

func runChaos(args []string) int {
	o, err := parseOptions(args, os.Stdout)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "fairlead-chaos: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second Ctrl-C ends the program at once; on Linux its children end with it.
	context.AfterFunc(ctx, stop)

	err = play(ctx, o, os.Stdout)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintf(os.Stderr, "fairlead-chaos: %v; everything it started has ended\n", errInterrupted)
		return exitInterrupted
	default:
		fmt.Fprintf(os.Stderr, "fairlead-chaos: %v\n", err)
		return exitFailed
	}
}

// runFairlead is the program under test: fairlead, with one more kind of sink.
func runFairlead(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := app.NewCommand(app.Options{
		Version: "chaos",
		Sinks:   sinks.Kinds{faultyKind()},
	})
	command.SetArgs(args)
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", err)
		return exitFailed
	}
	return 0
}
