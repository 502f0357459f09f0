// Command control-plane finds, downloads or builds the kube-apiserver and the etcd that
// package fairleadtest starts, and prints the directory that holds them. A later call
// finds them and returns at once.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/fairlead-dev/fairlead/fairleadtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := fairleadtest.Assets(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(dir)
}
