package ctl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewDiff returns the command diff.
func NewDiff() *cobra.Command {
	var c Client
	var o Output
	var sink string
	var clusters, resources []string
	var sample int
	var repair bool
	cmd := &cobra.Command{
		Use:   "diff --sink NAME",
		Short: "Compare what a sink has with the clusters and the ledger, and repair what differs",
		Long: "Compares UID and version of each object in its cluster, in the ledger and in the sink's\n" +
			"destination, and prints those that differ. What is on its way is no difference, nor is what\n" +
			"the sink does not select. Each difference has been seen twice. The sinks that can tell what\n" +
			"their destination has are postgres, hub and buckets of nats.\n\n" +
			"With --repair what differs is delivered again, and nothing else; what the sink alone has is\n" +
			"deleted there. Exit codes: 0 nothing differs, 1 something does, also if it is being\n" +
			"repaired, 2 not all could be compared.",
		Example: "  fairlead diff --sink hub:fleet\n" +
			"  fairlead diff --sink hub:fleet --cluster edge-1 --resource pods --repair\n" +
			"  fairlead diff --sink hub:fleet --sample 1000 -o json",
		Args: NoArgs("name the sink with --sink, and clusters with --cluster"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sink == "" {
				return Unasked(errors.New("which sink? Give --sink NAME, as fairlead top sinks has it"))
			}
			if err := errors.Join(notEmpty(cmd.Flags(), "cluster", "resource"), o.check(diffColumns)); err != nil {
				return Unasked(err)
			}
			query := url.Values{"sink": {sink}}
			for name, values := range map[string][]string{"cluster": clusters, "resource": resources} {
				if len(values) > 0 {
					query.Set(name, strings.Join(values, ","))
				}
			}
			if cmd.Flags().Changed("sample") {
				query.Set("sample", strconv.Itoa(sample))
			}
			method := http.MethodGet
			if repair {
				method = http.MethodPost
			}
			body, err := c.streamBy(cmd.Context(), cmd.ErrOrStderr(), method, "/diff", query)
			if err != nil {
				return Unasked(err)
			}
			defer func() { _ = body.Close() }()
			d, err := readDiff(cmd.Context(), body)
			if err == nil || len(d.Differences) > 0 {
				if wrong := d.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), &o); wrong != nil {
					return Unasked(wrong)
				}
			}
			return endOf(d, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&sink, "sink", "", "the sink, by the name that /clusters has for it; required")
	f.StringSliceVar(&clusters, "cluster", nil, "members of the fleet; several with commas between (default: all)")
	f.StringSliceVar(&resources, "resource", nil, "resources, with their groups, such as deployments.apps (default: all that are followed)")
	f.IntVar(&sample, "sample", 0, "compare only so many objects of each stream, drawn by lot (default: all)")
	f.BoolVar(&repair, "repair", false, "have what differs delivered again, or deleted in the sink")
	c.AddFlag(f)
	o.AddFlags(f)
	CompleteOutput(cmd, diffColumns)
	c.completeFlags(cmd)
	return cmd
}

// streamBy is Stream for any method.
func (c *Client) streamBy(ctx context.Context, stderr io.Writer, method, path string, query url.Values) (body io.ReadCloser, err error) {
	err = c.ask(ctx, stderr, request{method: method, path: path, query: query, most: mostAnswer, as: []int{http.StatusOK}, stream: &body, notes: stderr})
	return body, err
}

// diffed is what a comparison has come to.
type diffed struct {
	Differences []api.Difference `json:"differences"`
	Streams     []api.DiffStream `json:"streams"`
	Total       *api.DiffDone    `json:"total,omitempty"` // absent: it was cut short
}

const (
	mostDiffLine = 64 << 10  // bytes
	mostDiffs    = 1_000_000 // differences, of which each holds about 500 bytes
)

// readDiff reads a comparison to its end. With an error, what was read until then.
func readDiff(ctx context.Context, body io.Reader) (*diffed, error) {
	d := &diffed{Differences: []api.Difference{}, Streams: []api.DiffStream{}}
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4<<10), mostDiffLine)
	for lines.Scan() {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var l api.DiffLine
		if err := json.Unmarshal(text, &l); err != nil {
			return d, fmt.Errorf("read the comparison: %w", err)
		}
		switch {
		case l.Difference != nil && len(d.Differences) >= mostDiffs:
			return d, fmt.Errorf("more than %d objects differ; compare some of the clusters", mostDiffs)
		case l.Difference != nil:
			d.Differences = append(d.Differences, *l.Difference)
		case l.Stream != nil:
			d.Streams = append(d.Streams, *l.Stream)
		case l.Done != nil:
			d.Total = l.Done
			return d, nil
		}
	}
	err := ctx.Err()
	if err == nil {
		err = lines.Err()
	}
	if err != nil {
		return d, fmt.Errorf("read the comparison: %w", err)
	}
	for _, s := range d.Streams {
		if s.Error != "" {
			err = errors.New(Visible(s.Error))
		}
	}
	if err == nil {
		err = errors.New("the program stops, or does not lead any more; run the command again")
	}
	return d, fmt.Errorf("the comparison was cut short: %w", err)
}

// endOf returns how the command ends.
func endOf(d *diffed, err error) error {
	switch {
	case err != nil:
		return Unasked(err)
	case d.Total.Failed > 0:
		return Unasked(fmt.Errorf("%d streams could not be compared", d.Total.Failed))
	case d.Total.Differences > 0:
		return &ExitError{Code: ExitProblem}
	}
	return nil
}

var diffColumns = []Column{
	{Name: "CLUSTER"}, {Name: "RESOURCE"}, {Name: "OBJECT"}, {Name: "VERDICT"}, {Name: "MEMBER"}, {Name: "LEDGER"}, {Name: "SINK"},
	{Name: "REPAIR"}, {Name: "MESSAGE", Wide: true}, {Name: "UIDS", Wide: true},
}

// print prints the differences, and below a table what else there is to say.
func (d *diffed) print(w, stderr io.Writer, o *Output) error {
	t := Table{Columns: diffColumns}
	for i := range d.Differences {
		x := &d.Differences[i]
		object := x.Name
		if x.Namespace != "" {
			object = x.Namespace + "/" + object
		}
		t.Rows = append(t.Rows, []string{
			x.Cluster, x.Resource, object, x.Verdict, versionIn(x.Member), versionIn(x.Ledger), versionIn(x.Sink),
			x.Repair, x.Message, strings.Join([]string{x.Member.UID, x.Ledger.UID, x.Sink.UID}, " "),
		})
		t.Items = append(t.Items, x)
	}
	if !o.IsTable() || len(t.Rows) > 0 {
		ordered := func(items []any) any {
			sorted := *d
			sorted.Differences = []api.Difference{}
			for _, x := range items {
				sorted.Differences = append(sorted.Differences, *x.(*api.Difference))
			}
			return &sorted
		}
		if err := o.Print(w, t, ordered); err != nil {
			return err
		}
	}
	var said strings.Builder
	for _, s := range d.Streams {
		if s.Error != "" {
			fmt.Fprintf(&said, "cluster %s, %s: %s\n", Printable(s.Cluster), Printable(s.Stream), Visible(s.Error))
		}
	}
	if _, err := io.WriteString(stderr, said.String()); err != nil {
		return err
	}
	if !o.IsTable() || d.Total == nil {
		return nil
	}
	_, err := fmt.Fprintln(w, d.sum())
	return err
}

// sum is the last line: what was compared.
func (d *diffed) sum() string {
	var more, pending, filtered, changing int
	for _, s := range d.Streams {
		more, pending, filtered, changing = more+s.More, pending+s.Pending, filtered+s.Filtered, changing+s.Changing
	}
	text := fmt.Sprintf("%d of %d objects differ, in %d streams", len(d.Differences), d.Total.Objects, d.Total.Streams-d.Total.Failed)
	for _, of := range []struct {
		n    int
		says string
	}{
		{more, "%d more may, which were too many to look at twice"}, {pending, "%d are on their way"},
		{filtered, "%d are not selected"}, {changing, "%d changed all the time"}, {d.Total.Failed, "%d streams could not be compared"},
	} {
		if of.n > 0 {
			text += "; " + fmt.Sprintf(of.says, of.n)
		}
	}
	return text
}

// versionIn is what one view has.
func versionIn(v api.InMember) string {
	if !v.Exists {
		return "-"
	}
	return v.ResourceVersion
}
