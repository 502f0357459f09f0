package ctl

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

func addSelector(f *pflag.FlagSet, selector *string) {
	f.StringVarP(selector, "selector", "l", "", "each cluster with these labels, which objects of the hub give them")
}

// targets returns the parameters of one request for each of what is to be paused or resumed: of
// each cluster that has labels, if these are given.
func targets(cmd *cobra.Command, c *Client, t *target, selector string, args []string) ([]url.Values, error) {
	if err := notEmpty(cmd.Flags(), "selector", "stream", "route"); err != nil {
		return nil, err
	}
	if len(args) > 0 && strings.TrimSpace(args[0]) == "" {
		return nil, Unasked(errors.New("the name of the cluster is empty"))
	}
	if selector == "" {
		q, err := t.query(args)
		return []url.Values{q}, err
	}
	if len(args) > 0 || *t != (target{}) {
		return nil, Unasked(errors.New("--selector is in place of the name of a cluster, --stream and --route: give one of them"))
	}
	names, status, err := c.chosen(cmd.Context(), cmd.ErrOrStderr(), "selector", selector)
	if err != nil {
		return nil, Unasked(err)
	}
	if cmd.Name() == "resume" {
		with := len(names)
		names = slices.DeleteFunc(names, func(name string) bool {
			return !slices.ContainsFunc(status.Paused, func(p api.Pause) bool { return p.Target == api.Target{Cluster: name} })
		})
		if len(names) == 0 {
			return nil, fmt.Errorf("none of the %d clusters with these labels is paused as a whole", with)
		}
	}
	all := make([]url.Values, len(names))
	for i, name := range names {
		all[i] = url.Values{"cluster": {name}}
	}
	return all, nil
}

// pausings are what becomes of several clusters.
type pausings struct {
	Clusters []api.Pausing `json:"clusters"`
}

// mostErrors bounds how many of many errors are shown.
const mostErrors = 10

var pausingColumns = []Column{{Name: "STATE"}, {Name: "OF"}, {Name: "MODE"}, {Name: "UNTIL"}, {Name: "BY"}, {Name: "REASON"}}

// pausing asks for pauses or their ends, and prints the answers.
func pausing(cmd *cobra.Command, c *Client, out *Output, path string, of []url.Values, done string) error {
	t := Table{Columns: pausingColumns}
	if err := out.check(t.Columns); err != nil {
		return err
	}
	all := pausings{Clusters: []api.Pausing{}}
	var failed []error // the first ones, and how many more
	var unstored error // of the first; the others are rarely another one
	several, notes := cmd.Flags().Changed("selector"), cmd.ErrOrStderr()
	if several {
		notes = io.Discard // who is asked has been said
	}
	type answer struct {
		api.Pausing

		err error
	}
	names, queries := make([]string, len(of)), map[string]url.Values{}
	for i, q := range of {
		names[i] = q.Get("cluster")
		queries[names[i]] = q
	}
	ctx := cmd.Context()
	program := silenceOf(ctx, c, notes)
	asked := inTurn(ctx, names, func(name string) (a answer, goOn bool) {
		a.err = c.Post(ctx, notes, path, queries[name], storedWithin, &a.Pausing, http.StatusOK, http.StatusAccepted)
		return a, program.goOn(ctx, a.err)
	}, func(name string, a answer) bool {
		ofOne := func(err error) error {
			if several {
				err = fmt.Errorf("cluster %s: %w", Printable(name), err)
			}
			return err
		}
		if a.err != nil {
			failed = append(failed, ofOne(a.err))
			return true
		}
		p := a.Pausing
		t.Rows, t.Items = append(t.Rows, []string{done, p.String(), p.Mode, until(p.Until), p.By, p.Reason}), append(t.Items, p)
		all.Clusters = append(all.Clusters, p)
		if err := notStored(p.NotStored); err != nil && unstored == nil {
			unstored = ofOne(err)
		}
		return true
	})
	if more := len(failed) - mostErrors; more > 0 {
		failed = append(failed[:mostErrors], fmt.Errorf("and %d clusters more", more))
	}
	wrong := errors.Join(append(failed, program.unasked(names, asked), unstored)...)
	if len(all.Clusters) == 0 {
		return wrong
	}
	var object any = all.Clusters[0]
	if several {
		object = all
	}
	return errors.Join(out.Print(cmd.OutOrStdout(), t, object), wrong)
}
