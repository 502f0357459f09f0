package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// Options are what a main says of its program.
type Options struct {
	Version string // of the release; empty or "dev": none
	Commit  string // that it was built from; empty: what Go noted of it
	// Program is the path that it was started by: as kubectl-fairlead it is a plugin of
	// kubectl.
	Program string
	// Sinks are the kinds of sinks that there are beside the built-in ones.
	Sinks sinks.Kinds

	stores  ledger.StoreKinds // the same of ledger stores, for tests
	members []fleet.Kind      // and of sources of members

	elsewhere   bool // see Config
	tellsUnkept bool // what settings.unkept returns is told by a check, and no error
}

// NewCommand returns the program's command line.
func NewCommand(o Options) *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Follow resources in many Kubernetes clusters and deliver their changes",
		Long: "Fairlead leads the changes of many Kubernetes clusters into one place: fairly,\n" +
			"without one cluster holding up another, and without losing any.",
		Version:       o.describe(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("fairlead {{.Version}}\n")
	asking := ctl.Asking(
		ctl.NewStatus(),
		newCheckCommand(o),
		ctl.NewExplain(),
		ctl.NewDiff(),
		ctl.NewTail(),
		ctl.NewTop(),
		ctl.NewPause(),
		ctl.NewResume(),
		ctl.NewLimits(),
		ctl.NewRetry(),
		ctl.NewLeader(),
		ctl.NewReplay(),
		ctl.NewSupportBundle(o.describe()),
		ctl.NewVersion(o.describe(), o.build().answer()),
	)
	parent(root, append(asking,
		newRunCommand(o),
		newDeadLetterCommand(),
		newLedgerCommand(o),
		newLeaseCommand(o),
		newConfigCommand(o),
		newFilterCommand(),
	)...)
	if ctl.IsPlugin(o.Program) {
		ctl.AsPlugin(root)
	}
	return root
}

func newRunCommand(o Options) *cobra.Command {
	var cfg Config
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Follow resources in every member cluster and write each change to sinks",
		Example: "  fairlead run --clusters kubeconfig:fleet.yaml --watch configmaps,deployments.apps --sink stdout:\n" +
			"  fairlead run --clusters dir:/etc/fairlead/clusters --watch 'pods?labelSelector=app=web' --sink file:changes.jsonl",
		Args: ctl.NoArgs("what it takes are flags: fairlead run --help tells of all"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := load(cfg.given, o)
			if err != nil {
				return fmt.Errorf("nothing was started, because of these flags:\n%w", err)
			}
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.SetUsageFunc(runUsage)
	cmd.Flags().SortFlags = false
	cfg.addFlags(cmd.Flags(), &o)
	return cmd
}
