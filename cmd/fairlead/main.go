// Command fairlead follows resources in many Kubernetes clusters and delivers
// their changes to sinks.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/fairlead-dev/fairlead/cmd/internal/app"
)

// Set by the linker; without it Go tells what it knows.
var (
	version = "dev"
	commit  string
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	err := app.NewCommand(app.Options{Version: version, Commit: commit, Program: os.Args[0]}).ExecuteContext(ctx)
	stop()
	if err != nil {
		if said := err.Error(); said != "" { // else the command has said it
			fmt.Fprintln(os.Stderr, "fairlead:", said)
		}
		os.Exit(app.ExitCode(err))
	}
}
