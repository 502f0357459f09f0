// Command fairlead follows resources in many Kubernetes clusters and delivers
// their changes to sinks.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Follow resources in many Kubernetes clusters and deliver their changes",
		Long: "Fairlead leads the changes of many Kubernetes clusters into one place: fairly,\n" +
			"without one cluster holding up another, and without losing any.",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRunCommand())
	return root
}

func newRunCommand() *cobra.Command {
	var cfg Config
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Follow resources in every member cluster and write each change to sinks",
		Example: "  fairlead run --clusters kubeconfig:fleet.yaml --watch configmaps,deployments.apps --sink stdout:\n" +
			"  fairlead run --clusters dir:/etc/fairlead/clusters --watch 'pods?labelSelector=app=web' --sink file:changes.jsonl",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := cfg.parse()
			if err != nil {
				return fmt.Errorf("nothing was started, because of these flags:\n%w", err)
			}
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().SortFlags = false
	cfg.addFlags(cmd.Flags())
	return cmd
}
