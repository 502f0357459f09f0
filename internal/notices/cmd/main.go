// Command cmd writes the licences of what fairlead is made of to standard output. It is
// run in the root of the repository, with GOOS and GOARCH as the program is built with.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/fairlead-dev/fairlead/internal/notices"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	packages, err := notices.Linked(ctx, ".", "./cmd/fairlead")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	if err := notices.Write(out, packages); err != nil {
		return err
	}
	return out.Flush()
}
