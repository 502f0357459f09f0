package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

var retriedColumns = []Column{{Name: "CLUSTER"}, {Name: "TRIES"}, {Name: "WAS"}, {Name: "BECAUSE"}}

// NewRetry returns the command retry.
func NewRetry() *cobra.Command {
	var c Client
	var out Output
	var selector string
	cmd := &cobra.Command{
		Use:   "retry CLUSTER... | --selector LABELS",
		Short: "Have a running program try clusters again now that wait for their next try",
		Long: "Has a running program try clusters again now, after you have mended what kept it from one:\n" +
			"the connection, if that is not live, or the streams that wait for their next try. It tells\n" +
			"what is tried, and where the connection stood. The delays between tries go on from where\n" +
			"they were, and no try comes sooner than --reconnect-min of fairlead run after the one before.\n\n" +
			"It returns at once: fairlead status CLUSTER --wait=live waits until the cluster is live.\n" +
			"If one cluster cannot be tried, the others are, and the command fails.",
		Example: "  fairlead retry edge-1 && fairlead status edge-1 --wait=live\n" +
			"  fairlead retry --selector region=north",
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := retried(cmd, &c, &out, selector, args)
			if err != nil {
				return err
			}
			return retry(cmd, &c, &out, names)
		},
	}
	addSelector(cmd.Flags(), &selector)
	c.AddFlag(cmd.Flags())
	out.AddFlags(cmd.Flags())
	CompleteOutput(cmd, retriedColumns)
	cmd.ValidArgsFunction = c.CompleteClusters
	return cmd
}

// retried returns the names of the clusters that are to be tried.
func retried(cmd *cobra.Command, c *Client, out *Output, selector string, args []string) ([]string, error) {
	if err := errors.Join(notEmpty(cmd.Flags(), "selector"), out.check(retriedColumns)); err != nil {
		return nil, err
	}
	switch {
	case slices.ContainsFunc(args, func(name string) bool { return strings.TrimSpace(name) == "" }):
		return nil, Unasked(errors.New("the name of the cluster is empty"))
	case selector != "" && len(args) > 0:
		return nil, Unasked(errors.New("--selector is in place of names of clusters: give one of them"))
	case selector != "":
		names, _, err := c.chosen(cmd.Context(), cmd.ErrOrStderr(), "selector", selector)
		return names, Unasked(err)
	case len(args) == 0:
		return nil, Unasked(errors.New("which cluster? Give its name, or --selector LABELS"))
	}
	slices.Sort(args)
	return slices.Compact(args), nil
}

// retry has clusters be tried, and prints what is.
func retry(cmd *cobra.Command, c *Client, out *Output, names []string) error {
	t := Table{Kind: "cluster", Columns: retriedColumns}
	all := []api.Retrying{}
	var failed []error // the first ones, and how many more
	type answer struct {
		api.Retrying

		err error
	}
	ctx, notes, query := cmd.Context(), cmd.ErrOrStderr(), url.Values{}
	c.addBy(ctx, query)
	ask := func(name string) (a answer) {
		q := url.Values{"cluster": {name}, "by": query["by"]}
		a.err = c.Post(ctx, notes, "/retry", q, 0, &a.Retrying, http.StatusOK)
		return a
	}
	if cmd.Flags().Changed("selector") {
		notes = io.Discard // who is asked has been said
	}
	first := ask(names[0]) // which finds out whom to ask
	notes = io.Discard
	program := silenceOf(ctx, c, notes)
	asked := inTurn(ctx, names, func(name string) (a answer, goOn bool) {
		if a = first; name != names[0] {
			a = ask(name)
		}
		return a, program.goOn(ctx, a.err)
	}, func(name string, a answer) bool {
		if a.err != nil {
			if len(names) > 1 {
				a.err = fmt.Errorf("cluster %s: %w", Printable(name), a.err)
			}
			failed = append(failed, a.err)
			return true
		}
		r := a.Retrying
		t.Rows, t.Items, all = append(t.Rows, retriedRow(&r)), append(t.Items, r), append(all, r)
		return true
	})
	if more := len(failed) - mostErrors; more > 0 {
		failed = append(failed[:mostErrors], fmt.Errorf("and %d clusters more", more))
	}
	wrong := errors.Join(append(failed, program.unasked(names, asked))...)
	if len(all) == 0 {
		return wrong
	}
	return errors.Join(out.Print(cmd.OutOrStdout(), t, map[string]any{"clusters": all}), wrong)
}

// retriedRow says what of a cluster is tried.
func retriedRow(r *api.Retrying) []string {
	var tries []string
	if r.Connects {
		tries = append(tries, "connection")
	}
	if len(r.Streams) > 0 {
		tries = append(tries, strings.Join(r.Streams[:min(len(r.Streams), 3)], ", "))
	}
	if more := len(r.Streams) - 3; more > 0 {
		tries = append(tries, fmt.Sprintf("and %d streams more", more))
	}
	because := ""
	if r.State != member.Live {
		because = cmp.Or(r.LastError, r.Reason)
	}
	return []string{r.Cluster, cmp.Or(strings.Join(tries, ", "), "nothing waits"), string(r.State), because}
}
