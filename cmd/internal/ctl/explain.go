package ctl

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// NewExplain returns the command explain.
func NewExplain() *cobra.Command {
	var c Client
	var o Output
	var namespace string
	cmd := &cobra.Command{
		Use:   "explain CLUSTER RESOURCE/NAME",
		Short: "Say why a change of one object is not there yet, or when it was delivered",
		Long: "Says in one sentence for each sink where an object of a cluster stands: not followed, not\n" +
			"selected, waiting, throttled, refused by the sink, delivered when and with which id. The\n" +
			"program asks the cluster what it has of the object. What is wrong has the code that fairlead\n" +
			"check gives it. docs/explain.md describes all reasons, and docs/findings.md all codes.\n" +
			"RESOURCE is a name as kubectl takes it.",
		Example: "  fairlead explain edge-1 deployments.apps/web -n shop\n" +
			"  fairlead explain edge-1 node worker-3 -o json | jq '.routes[].reason'",
		Args: func(_ *cobra.Command, args []string) error {
			_, _, _, err := objectOf(args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cluster, resource, name, err := objectOf(args)
			if err != nil {
				return err
			}
			query := url.Values{"cluster": {cluster}, "resource": {resource}, "name": {name}}
			if namespace != "" {
				query.Set("namespace", namespace)
			}
			var x api.Explanation
			if err := c.Get(cmd.Context(), cmd.ErrOrStderr(), "/explain", query, &x); err != nil {
				return err
			}
			if cmd.Flags().Changed("output") {
				if err := o.Print(cmd.OutOrStdout(), explained(&x), &x); err != nil || !o.IsTable() || len(x.Findings) == 0 {
					return err
				}
				_, err := io.WriteString(cmd.OutOrStdout(), "\n"+foundLines(&x, nil))
				return err
			}
			return tell(cmd.OutOrStdout(), &x)
		},
	}
	cmd.Flags().StringVarP(&namespace, "namespace", "n", "", "the object's namespace, if it has one")
	c.AddFlag(cmd.Flags())
	o.AddFlags(cmd.Flags())
	cmd.ValidArgsFunction = c.completeObject
	return cmd
}

// objectOf reads CLUSTER RESOURCE/NAME or CLUSTER RESOURCE NAME.
func objectOf(args []string) (cluster, resource, name string, err error) {
	switch len(args) {
	case 2:
		resource, name, _ = strings.Cut(args[1], "/")
	case 3:
		resource, name = args[1], args[2]
	}
	if resource == "" || name == "" || args[0] == "" {
		return "", "", "", errors.New("which object? Give CLUSTER RESOURCE/NAME, such as edge-1 pods/web-0")
	}
	return args[0], resource, name, nil
}

// tell writes the verdicts as sentences.
func tell(w io.Writer, x *api.Explanation) error {
	var b strings.Builder
	object := x.Name
	if x.Namespace != "" {
		object = x.Namespace + "/" + object
	}
	fmt.Fprintf(&b, "%s %s of cluster %s", Visible(x.Resource), Visible(object), Visible(x.Cluster))
	switch m := x.Member; {
	case m == nil:
	case m.Exists:
		fmt.Fprintf(&b, ", version %s", Visible(m.ResourceVersion))
	default:
		b.WriteString(", which does not have it")
	}
	b.WriteString("\n")
	told := map[string]bool{} // codes
	for _, v := range x.Routes {
		fmt.Fprintf(&b, "  %s %s: %s", Visible(spec.Before(v.Route)), Visible(string(v.Reason)), Visible(v.Message))
		if v.Code != "" {
			told[v.Code] = true
			fmt.Fprintf(&b, " %s: %s", Visible(v.Code), Visible(v.Do))
		}
		b.WriteString("\n")
	}
	b.WriteString(foundLines(x, told))
	_, err := io.WriteString(w, b.String())
	return err
}

// foundLines is a line for each finding: its cause, what to do unless that has been told of its
// code, and the page that says more.
func foundLines(x *api.Explanation, told map[string]bool) string {
	var b strings.Builder
	for _, one := range x.Findings {
		fmt.Fprintf(&b, "  %s %s: %s.", Visible(string(one.Severity)), Visible(one.Code), Visible(strings.TrimRight(one.Cause, ".")))
		if !told[one.Code] {
			fmt.Fprintf(&b, " %s", Visible(one.Do))
		}
		if one.Page != "" {
			fmt.Fprintf(&b, " (%s)", Visible(one.Page))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// explained is the same as a table.
func explained(x *api.Explanation) Table {
	t := Table{Columns: []Column{{Name: "ROUTE"}, {Name: "REASON"}, {Name: "CODE"}, {Name: "VERSION"}, {Name: "DELIVERED", Wide: true}, {Name: "MESSAGE"}}}
	for _, v := range x.Routes {
		delivered := ""
		if v.Delivered != nil {
			delivered = v.Delivered.ID
		}
		t.Rows = append(t.Rows, []string{v.Route, string(v.Reason), v.Code, v.ResourceVersion, delivered, v.Message})
	}
	return t
}
