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
	err := app.NewCommand(app.Options{Version: version, Commit: commit}).ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", err)
		os.Exit(app.ExitCode(err))
	}
}
