package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// errPlanned is the end of fairlead config plan where settings come to something.
var errPlanned = errors.New("with these settings objects are delivered again, listed, new or deleted, as shown")

// ExitCode returns the exit code of the program for an error of its command: 0 for none,
// the error's own if it has one, 2 if fairlead config plan has found that settings come to
// something, else 1.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errPlanned):
		return 2
	}
	if own, ok := errors.AsType[*ctl.ExitError](err); ok {
		return own.Code
	}
	return 1
}

// planContent is what fairlead config plan shows.
type planContent struct {
	Ledger string     `json:"ledger"`
	Lines  []planLine `json:"lines"`
	Totals planTotals `json:"totals"`
}

// planTotals sums lines up.
type planTotals struct {
	Deliver atMost         `json:"deliver"`
	Delete  atMost         `json:"delete"`
	Lines   map[string]int `json:"lines"` // by action
}

func newPlanContent(identity string, lines []planLine) planContent {
	c := planContent{Ledger: identity, Lines: lines, Totals: planTotals{Deliver: none, Delete: none, Lines: map[string]int{}}}
	if lines == nil {
		c.Lines = []planLine{}
	}
	for _, l := range lines {
		c.Totals.Deliver, c.Totals.Delete = c.Totals.Deliver.plus(l.Deliver), c.Totals.Delete.plus(l.Delete)
		c.Totals.Lines[l.Action]++
	}
	return c
}

// changes reports whether settings come to anything.
func (c *planContent) changes() bool {
	for action, n := range c.Totals.Lines {
		if n > 0 && action != goesOn && action != hasLeft && action != losesSink {
			return true
		}
	}
	return false
}

func newConfigPlanCommand(o Options) *cobra.Command {
	var cfg Config
	var output string
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "Say what would be delivered again and what deleted, if fairlead run were started with a file",
		Long: "Compares a configuration file with the ledger that it names, and shows one row for each sink,\n" +
			"cluster and resource:\n" +
			"  unchanged         its watch goes on where it was\n" +
			"  snapshot          its objects are listed, because something else is selected or counts\n" +
			"  delivered again   all that the sink has of it, because it is delivered in another form\n" +
			"  new               the sink has nothing of it yet\n" +
			"  taken leave of    no watch is for it: its objects are deleted after the retention\n" +
			"  goes elsewhere    a watch of other namespaces takes it over\n" +
			"  sink taken out    there is no such sink any more; it keeps what it has\n" +
			"  cluster has left  it was not in the fleet when the ledger was written last\n" +
			"DELIVER and DELETE are what the settings alone come to. Where that is up to the objects in the\n" +
			"cluster, they say the most that it can be, or ? where only the cluster knows. The clusters are\n" +
			"those that the ledger knows. Nothing is connected to, and nothing is changed.\n" +
			"\n" +
			"Flags of fairlead run may follow: they win over the file. A program that runs has its ledger\n" +
			"locked: stop it first, or plan with a copy of the ledger. The exit code is 0 if nothing would\n" +
			"be delivered or deleted, 2 if anything would or might be, and 1 for an error.",
		Example: "  fairlead config plan fairlead.yaml\n" +
			"  fairlead config plan fairlead.yaml --ledger copy.ledger -o json | jq .totals",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "table" && output != "json" {
				return fmt.Errorf("--output %q is neither table nor json", output)
			}
			text, err := smallfile.Read(args[0], configfile.MaxSize)
			if err != nil {
				return err
			}
			o.elsewhere = true
			s, err := loadText(append(cfg.given, givenFlag{"config", args[0]}), text, nil, o)
			if err != nil {
				return err
			}
			at := ledgerFlag{kinds: o.storeKinds(), text: s.Ledger}
			var content planContent
			err = at.use(cmd.Context(), true, func(spec *ledger.StoreSpec, store ledger.Store) error {
				cursors, err := ledger.Describe(cmd.Context(), store)
				if err != nil {
					return err
				}
				key, err := ledger.StoredDigestKey(cmd.Context(), store)
				if err != nil {
					return err
				}
				p, err := newPlanner(s, key)
				if err != nil {
					return err
				}
				content = newPlanContent(spec.Identity, p.plan(cursors))
				return nil
			})
			if err != nil {
				return err
			}
			if err := content.print(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			if content.changes() {
				return errPlanned
			}
			return nil
		},
	}
	cfg.addHidden(cmd, &o)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func (c *planContent) print(out io.Writer, output string) error {
	if output == "json" {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(c)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := [][]string{{"SINK", "CLUSTER", "RESOURCE", "NAMESPACE", "ACTION", "OBJECTS", "DELIVER", "DELETE", "WHY"}}
	for _, l := range c.Lines {
		rows = append(rows, []string{l.Sink, l.Cluster, l.Resource, cmp.Or(l.Namespace, "-"), l.Action, fmt.Sprint(l.Objects), l.Deliver.String(), l.Delete.String(), cmp.Or(l.Why, "-")})
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = ctl.Printable(cell)
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nLedger %s, in all: %s delivered, %s deleted\n", c.Ledger, c.Totals.Deliver, c.Totals.Delete)
	return err
}
