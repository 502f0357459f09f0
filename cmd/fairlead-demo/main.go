package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes. Any other failure is a 1 too: there was nothing to check then.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // what a shell reports for a program that Ctrl-C ended
)

// errInterrupted ends the demo early because someone asked for it.
var errInterrupted = errors.New("interrupted")

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	o, err := parseOptions(args, os.Stdout)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "fairlead-demo: %v\n", err)
		return exitUsage
	}
	interrupt, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second Ctrl-C ends the demo at once; on Linux its children end with it.
	context.AfterFunc(interrupt, stop)

	// Someone may have seen enough and closed the pipe: what was started is still
	// to be ended and removed.
	signal.Ignore(syscall.SIGPIPE)

	err = play(interrupt, o, newScreen(os.Stdout))
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "fairlead-demo: interrupted; everything it started has ended")
		return exitInterrupted
	default:
		fmt.Fprintf(os.Stderr, "fairlead-demo: %v\n", err)
		return exitFailed
	}
}
