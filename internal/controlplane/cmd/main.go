// Command cmd makes sure of the kube-apiserver and the etcd that tests run
// against, and prints the directory that holds them. `make control-plane` runs it
// from the repository's root.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/fairlead-dev/fairlead/internal/controlplane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := controlplane.Assets(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(dir)
}
