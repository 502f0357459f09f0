package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead-dev/fairlead/cmd/internal/app"
	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/sinks"
)

// asFairlead is the first argument that makes this program the one under test.
const asFairlead = "fairlead"

// sinkScheme is what the faulty sink is called there.
const sinkScheme = "chaos"

// exitLost is the exit code of a Fairlead that has ended because it has lost the lock.
const exitLost = 3

func main() {
	if len(os.Args) > 1 && os.Args[1] == asFairlead {
		os.Exit(runFairlead(os.Args[2:]))
	}
	os.Exit(lab.Main(newCommand(play)))
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
		if errors.Is(err, election.ErrLost) {
			return exitLost
		}
		return lab.ExitFailed
	}
	return 0
}
