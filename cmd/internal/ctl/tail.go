package ctl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewTail returns the command tail.
func NewTail() *cobra.Command {
	var c Client
	var t tailer
	var clusters, namespaces, routes, ops []string
	var where string
	rate := 100
	cmd := &cobra.Command{
		Use:   "tail [RESOURCE...]",
		Short: "Show what sinks accept and refuse, while it happens",
		Long: "Shows each answer of a sink from now on, until it is interrupted: of the resources that\n" +
			"are named (plural, with or without group), or of all. It never holds up a delivery: what is\n" +
			"more than --max-rate, or more than the terminal takes, is left out, and it says how much.\n" +
			"Objects, with -o json and -o diff, are in the form in which they are delivered.",
		Example: "  fairlead tail pods --cluster edge-1,edge-2 --op deleted\n" +
			"  fairlead tail -o diff --where \"deployments.apps: object.metadata.namespace == 'shop'\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := notEmpty(cmd.Flags(), "cluster", "namespace", "route", "op", "where"); err != nil {
				return err
			}
			query := url.Values{"rate": {strconv.Itoa(rate)}}
			for name, values := range map[string][]string{"resource": args, "cluster": clusters, "namespace": namespaces, "route": routes, "op": ops} {
				if len(values) > 0 {
					query.Set(name, strings.Join(values, ","))
				}
			}
			if where != "" {
				query.Set("where", where)
			}
			switch t.format {
			case "", "wide":
			case "json", "diff":
				query.Set("objects", "true")
			default:
				return Unasked(fmt.Errorf("--output %q: there are wide, json and diff", t.format))
			}
			body, err := c.Stream(cmd.Context(), cmd.ErrOrStderr(), "/tail", query)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			t.out = cmd.OutOrStdout()
			return t.show(cmd.Context(), body)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&clusters, "cluster", nil, "members of the fleet; several with commas between (default: all)")
	f.StringSliceVarP(&namespaces, "namespace", "n", nil, "namespaces (default: all)")
	f.StringSliceVar(&routes, "route", nil, "sinks, by the names that /clusters has for them (default: all)")
	f.StringSliceVar(&ops, "op", nil, "added, updated or deleted (default: all)")
	f.StringVar(&where, "where", "", "RESOURCE: EXPRESSION in CEL that is true for the objects to show, as for fairlead run; it knows the cluster's name, and not its labels")
	f.IntVar(&rate, "max-rate", rate, "lines per second at most, up to 10000")
	f.StringVarP(&t.format, "output", "o", "", "wide; json: one object per line, with the object; diff: the fields that differ from the state before, if this command has seen it")
	f.BoolVar(&t.noHeaders, "no-headers", false, "a table without its first line")
	c.AddFlag(f)
	c.completeFlags(cmd)
	cmd.ValidArgsFunction = c.completeResources
	// It fails only for a flag that there is not.
	_ = cmd.RegisterFlagCompletionFunc("op", cobra.FixedCompletions([]string{"added", "updated", "deleted"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"wide", "json", "diff"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// mostLine bounds one line of the stream: an object of 16 MiB, and what goes with it.
const mostLine = 32 << 20

// tailer writes what a tail shows.
type tailer struct {
	out       io.Writer
	format    string
	noHeaders bool
	last      lastStates
}

// show writes until the stream or ctx ends.
func (t *tailer) show(ctx context.Context, stream io.Reader) error {
	if err := t.header(); err != nil {
		return err
	}
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 64<<10), mostLine)
	for lines.Scan() {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var a api.Answer
		if err := json.Unmarshal(text, &a); err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if err := t.write(text, &a); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		return nil //nolint:nilerr // interrupted, as is meant
	case err != nil:
		return fmt.Errorf("read the stream: %w", err)
	}
	return errors.New("the program has ended the stream: it stops, or does not lead any more; run the command again")
}

const tailRow = "%-12s  %-8s  %-16s  %-24s  %-40s  %7s"

func (t *tailer) header() error {
	if t.noHeaders || t.format == "json" {
		return nil
	}
	row := fmt.Sprintf(tailRow, "TIME", "OP", "CLUSTER", "RESOURCE", "OBJECT", "LAG")
	if t.format == "wide" {
		row += fmt.Sprintf("  %-20s  %s", "ROUTE", "ID")
	}
	_, err := fmt.Fprintln(t.out, row)
	return err
}

// write writes one answer, whose line is text.
func (t *tailer) write(text []byte, a *api.Answer) error {
	if t.format == "json" {
		_, err := fmt.Fprintf(t.out, "%s\n", escaped(string(text), pairOfJSON))
		return err
	}
	if a.Skipped > 0 {
		_, err := fmt.Fprintf(t.out, "... %d skipped\n", a.Skipped)
		return err
	}
	object := a.Name
	if a.Namespace != "" {
		object = a.Namespace + "/" + object
	}
	lag := time.Duration(a.LagSeconds * float64(time.Second)).Round(time.Millisecond)
	row := fmt.Sprintf(tailRow, a.At.Local().Format("15:04:05.000"), Printable(a.Op), Printable(a.Cluster), Printable(a.Resource), Printable(object), lag)
	if t.format == "wide" {
		row += fmt.Sprintf("  %-20s  %s", Printable(a.Route), Printable(a.ID))
	}
	if a.Refused != "" {
		row += "  refused: " + Printable(a.Refused)
	}
	if a.DeadLettered {
		row += "  dead-lettered"
	}
	if t.format == "diff" {
		for _, change := range t.last.compare(a) {
			row += "\n    " + change
		}
	}
	_, err := fmt.Fprintln(t.out, strings.TrimRight(row, " "))
	return err
}
