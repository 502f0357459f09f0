package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

func newLedgerCommand(o Options) *cobra.Command {
	kinds := o.storeKinds()
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Look at the file that remembers what was delivered, check it, shrink it, or forget a cluster",
		Long: "These commands work on the file itself, while no program uses it: stop fairlead run\n" +
			"first. Where its ledger stands, it tells itself at /clusters. None of them makes a file\n" +
			"where there is none, and none repairs one that is damaged.",
	}
	return parent(cmd, newLedgerInspectCommand(kinds), newLedgerVerifyCommand(kinds), newLedgerCompactCommand(kinds), newLedgerForgetCommand(kinds))
}

// ledgerFlag is the store that a command works on.
type ledgerFlag struct {
	kinds ledger.StoreKinds
	text  string
}

func (l *ledgerFlag) addFlag(f *pflag.FlagSet) {
	f.StringVar(&l.text, "ledger", defaultLedger, "as fairlead run was given it")
}

// spec fails on what outlives no process.
func (l *ledgerFlag) spec() (*ledger.StoreSpec, error) {
	if l.text == "" {
		return nil, errors.New("--ledger: no path; name the file that fairlead run was given")
	}
	s, err := l.kinds.Parse(l.text)
	if err != nil {
		return nil, fmt.Errorf("--ledger: %w", err)
	}
	if s.OpenExisting == nil {
		return nil, fmt.Errorf("--ledger %s is kept in no file; name one", s.Identity)
	}
	return s, nil
}

// use opens the store for work and closes it.
func (l *ledgerFlag) use(ctx context.Context, readOnly bool, work func(*ledger.StoreSpec, ledger.Store) error) error {
	spec, err := l.spec()
	if err != nil {
		return err
	}
	s, err := spec.OpenExisting(ctx, readOnly)
	if err != nil {
		return explain(spec, err)
	}
	err = work(spec, s)
	if c, ok := s.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return explain(spec, err)
}

// explain says what to do where that is another thing than for fairlead run.
func explain(s *ledger.StoreSpec, err error) error {
	switch {
	case errors.Is(err, ledger.ErrInUse):
		return fmt.Errorf("ledger %s is %w: if that is fairlead run, stop it first; while it runs, "+
			"/clusters at its --health-probe-bind-address tells where its ledger stands", s.Identity, ledger.ErrLocked)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no ledger %s: %w; name the file that fairlead run was given as --ledger", s.Identity, fs.ErrNotExist)
	}
	return err
}

func newLedgerInspectCommand(kinds ledger.StoreKinds) *cobra.Command {
	at := ledgerFlag{kinds: kinds}
	var cluster, output string
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Show what the ledger remembers of each cluster and resource",
		Long: "Shows one row for each resource that was followed in a cluster, and each sink:\n" +
			"  SINK             which it was delivered to; several where an older version wrote the ledger last\n" +
			"  OBJECTS          that the sink has accepted\n" +
			"  UNACKED UIDS     objects of which it may have a UID that it has not accepted\n" +
			"  DELETED          deletions that are still remembered, as the watch may show them again\n" +
			"  RESUME POINT     the resourceVersion from which the watch goes on; without one a snapshot is taken\n" +
			"  REDELIVER        objects that are to be delivered again: for a replay, or in another form\n" +
			"  UNWATCHED SINCE  when it was left out of --watch, or the sink of --sink\n" +
			"  LEFT SINCE       when the cluster left the fleet, or the program that followed it was started again without it",
		Example: "  fairlead ledger inspect --ledger fairlead.ledger --cluster edge-1\n" +
			"  fairlead ledger inspect --output json | jq '.cursors[] | select(.left)'",
		Args: ctl.NoArgs("name the ledger with --ledger"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output %q is neither table nor json", output)
			}
			return at.use(cmd.Context(), true, func(spec *ledger.StoreSpec, s ledger.Store) error {
				all, err := ledger.Describe(cmd.Context(), s)
				if err == nil && cluster != "" {
					all, err = ledger.OfCluster(all, cluster)
				}
				if err != nil {
					return err
				}
				return printLedger(cmd.OutOrStdout(), output, newLedgerContent(spec, s, all))
			})
		},
	}
	at.addFlag(cmd.Flags())
	cmd.Flags().StringVar(&cluster, "cluster", "", "show only this one (default: all)")
	cmd.Flags().StringVar(&output, "output", "table", "table or json")
	return cmd
}

func newLedgerVerifyCommand(kinds ledger.StoreKinds) *cobra.Command {
	at := ledgerFlag{kinds: kinds}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every page and every record of the ledger, and say whether it is whole",
		Long: "Reads every page of the file and decodes every record in it, and compares each with its\n" +
			"checksum and all of them with the number and sum of what was stored. It changes nothing.\n" +
			"The exit code is 1 if the file is damaged, or cannot be read.",
		Args: ctl.NoArgs("name the ledger with --ledger"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return at.use(cmd.Context(), true, func(spec *ledger.StoreSpec, s ledger.Store) error {
				all, err := ledger.Describe(cmd.Context(), s)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "Ledger %s is whole. Checked:\n", spec.Identity); err != nil {
					return err
				}
				if paged, ok := s.(ledger.Paged); ok {
					p := paged.Pages()
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "  %d pages of %d bytes, %d of them free\n", p.Total, p.Size, p.Free); err != nil {
						return err
					}
				}
				n := add(all)
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "  %d cursors: %d objects, %d unacked UIDs, %d deletions\n"+
					"  the checksum of each, and the number and sum of all\n", len(all), n.Objects, n.UnackedUIDs, n.Deleted)
				return err
			})
		},
	}
	at.addFlag(cmd.Flags())
	return cmd
}

func newLedgerCompactCommand(kinds ledger.StoreKinds) *cobra.Command {
	at := ledgerFlag{kinds: kinds}
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Give back the room that the ledger no longer needs",
		Long: "Writes the ledger anew, without its free pages, to a file beside it, which takes its place\n" +
			"in one step once it is on the disk and checked. It needs room for both; if it is killed,\n" +
			"the ledger is as it was, and the next run removes what is left.",
		Args: ctl.NoArgs("name the ledger with --ledger"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := at.spec()
			if err != nil {
				return err
			}
			if s.Compact == nil {
				return fmt.Errorf("ledger %s is of a kind that cannot be compacted, or need not be", s.Identity)
			}
			before, after, err := s.Compact(cmd.Context())
			if err != nil {
				return explain(s, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Compacted ledger %s from %d to %d bytes\n", s.Identity, before, after)
			return err
		},
	}
	at.addFlag(cmd.Flags())
	return cmd
}

func newLedgerForgetCommand(kinds ledger.StoreKinds) *cobra.Command {
	at := ledgerFlag{kinds: kinds}
	var cluster, resource string
	var lock bool
	cmd := &cobra.Command{
		Use:   "forget [--cluster NAME] [--resource NAME] | --lock",
		Short: "Forget all that was delivered of a cluster, of a resource, or of one in the other; or the lock",
		Long: "Removes what the ledger remembers of a cluster or a resource, and shows what that was. It\n" +
			"sends no deletions: sinks keep the objects. If they are followed again, all are delivered\n" +
			"again, and what was deleted meanwhile is not noticed. To have them delivered again with\n" +
			"nothing lost, use fairlead replay. The deletions of a resource that is not in --watch any\n" +
			"more are delivered by fairlead run itself, once --ledger-retention is over. The file keeps\n" +
			"its size; fairlead ledger compact makes it smaller.\n" +
			"\n" +
			"With --lock it forgets nothing of these, but the fencing token of the last leader. The ledger\n" +
			"refuses a leader whose token is not higher. Use it when what stores the lock of the leader\n" +
			"election was restored from a backup or made anew: /readyz of the leader says that it is\n" +
			"refused. The leader asks again every 5 seconds, and then delivers in a higher term.",
		Example: "  fairlead ledger forget --ledger fairlead.ledger --cluster edge-1\n" +
			"  fairlead ledger forget --ledger fairlead.ledger --resource deployments.apps\n" +
			"  fairlead ledger forget --ledger fairlead.ledger --lock",
		Args: ctl.NoArgs("name the ledger with --ledger"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch named := cluster != "" || resource != ""; {
			case lock && named:
				return errors.New("--lock goes with neither --cluster nor --resource; forget one after the other")
			case lock:
				err := at.use(cmd.Context(), false, func(_ *ledger.StoreSpec, s ledger.Store) error {
					return forgetLock(cmd, s)
				})
				if errors.Is(err, ledger.ErrLocked) {
					return fmt.Errorf("%w. A leader that the ledger refuses has it open for a moment every 5 seconds: run this again", err)
				}
				return err
			case !named:
				return errors.New("what? Give --cluster NAME, --resource NAME or both, or --lock; fairlead ledger inspect shows what there is")
			}
			return at.use(cmd.Context(), false, func(_ *ledger.StoreSpec, s ledger.Store) error {
				gone, err := ledger.Forget(cmd.Context(), s, cluster, resource)
				if err != nil {
					return err
				}
				what := forgotten(cluster, resource)
				if err := printForgotten(cmd.OutOrStdout(), what, gone); err != nil {
					return fmt.Errorf("%s: forgotten, but that could not be printed: %w", what, err)
				}
				return nil
			})
		},
	}
	at.addFlag(cmd.Flags())
	cmd.Flags().StringVar(&cluster, "cluster", "", "its name (default: all)")
	cmd.Flags().StringVar(&resource, "resource", "", "plural and group as inspect shows them, such as deployments.apps (default: all)")
	cmd.Flags().BoolVar(&lock, "lock", false, "forget the fencing token of the last leader")
	return cmd
}

// forgetLock says what it has forgotten.
func forgetLock(cmd *cobra.Command, s ledger.Store) error {
	last, err := ledger.ForgetLock(cmd.Context(), s)
	if err != nil {
		return err
	}
	said := "The ledger holds no fencing token: every leader is accepted"
	if last.Lock != "" {
		said = fmt.Sprintf("Forgot token %d of the lock %s, which %s had in term %d; the next leader is accepted, in a higher term",
			last.Token, ctl.Printable(last.Lock), ctl.Printable(last.Process), last.Number)
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), said); err != nil {
		return fmt.Errorf("the fencing token: forgotten, but that could not be printed: %w", err)
	}
	return nil
}
