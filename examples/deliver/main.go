// Command deliver is an example to copy from: a program that delivers every change of
// the ConfigMaps of many clusters to a sink of its own, which prints them.
//
//	kubeconfig ──▶ fleet ──▶ sources ── Offer ──▶ queue ──▶ stage ──▶ batcher ──▶ sink
//	                            └────────── ledger ◀── ack ──────────────┘
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// lines is a sink that prints a line for each change.
type lines struct{ to io.Writer }

// Write accepts what it could print.
func (l lines) Write(_ context.Context, batch []*pipeline.Change) error {
	for _, c := range batch {
		if _, err := fmt.Fprintln(l.to, c.Op, c.Key, c.ResourceVersion); err != nil {
			return fmt.Errorf("print changes: %w", err)
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: deliver kubeconfig:FILE|dir:PATH LEDGER, such as: deliver kubeconfig:fleet.yaml bolt:changes.ledger")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil))
	ctrllog.SetLogger(log)
	if err := deliver(ctx, os.Args[1], os.Args[2], lines{os.Stdout}, log); err != nil {
		log.Error(err, "The changes are not delivered any more")
		os.Exit(1)
	}
}
