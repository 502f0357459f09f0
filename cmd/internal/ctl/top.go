package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewTop returns the command top.
func NewTop() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "top clusters|streams|sinks",
		Short: "Tell rates of clusters, streams or sinks, and how far behind they are",
		Long: "Asks the running program twice, and tells rates in between: of changes and bytes per second, and\n" +
			"how large a part of the time something was throttled or had no room. What is furthest behind\n" +
			"comes first.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("rates of what? Give one of clusters, streams and sinks")
			}
			return nil
		},
		ValidArgs: []string{"clusters", "streams", "sinks"},
	}
	var c Client
	var o Output
	var interval time.Duration
	var selector string
	var watch bool
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		table, ok := map[string]func(*reads) Table{"clusters": topClusters, "streams": topStreams, "sinks": topSinks}[args[0]]
		if !ok {
			return Unasked(fmt.Errorf("%q is nothing that there are rates of; there are clusters, streams and sinks", args[0]))
		}
		if interval < 100*time.Millisecond {
			return Unasked(fmt.Errorf("--interval %v is too short for a rate; give 100ms or more", interval))
		}
		selected, err := labels.Parse(selector)
		if err != nil {
			return Unasked(fmt.Errorf("--selector: %w", err))
		}
		var r reads
		tell := func(to, notes io.Writer) error {
			if err := r.next(cmd.Context(), &c, interval, notes); err != nil {
				return Unasked(err)
			}
			if err := anySelected(r.second, "selector", selector, selected); err != nil {
				if _, err := fmt.Fprintln(notes, err); err != nil {
					return err
				}
			}
			return Unasked(o.Print(to, table(r.of(selected)), func(items []any) any { return map[string]any{"items": items} }))
		}
		if watch {
			return follow(cmd, interval, func(frame io.Writer) error { return tell(frame, frame) })
		}
		return tell(cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	cmd.Example = "  fairlead top clusters\n  fairlead top streams --sort-by=bytes/s --interval=10s\n  fairlead top sinks -o json\n  fairlead top clusters -w"
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "only what comes from clusters with these labels, which objects of the hub give them")
	cmd.Flags().DurationVar(&interval, "interval", 2*time.Second, "time between the two reads")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "tell again after each interval, until interrupted")
	o.AddFlags(cmd.Flags())
	c.AddFlag(cmd.Flags())
	return cmd
}

// reads are the last two reads of /clusters.
type reads struct {
	first, second *api.Status
	between       time.Duration
	now           time.Time // of the second one
}

// next reads once more; the first time twice, with a time in between. If it fails, the next
// one compares with the last read that there is.
func (r *reads) next(ctx context.Context, c *Client, interval time.Duration, notes io.Writer) error {
	if r.second == nil {
		if err := r.read(ctx, c, notes); err != nil {
			return err
		}
		timer := time.NewTimer(interval)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return r.read(ctx, c, notes)
}

func (r *reads) read(ctx context.Context, c *Client, notes io.Writer) error {
	status, err := c.Clusters(ctx, notes)
	if err != nil {
		return err
	}
	now := time.Now()
	r.first, r.second, r.between, r.now = r.second, status, now.Sub(r.now), now
	return nil
}

// of returns the reads without clusters that are not selected now.
func (r *reads) of(selected labels.Selector) *reads {
	some, status := *r, *r.second
	status.Clusters = slices.DeleteFunc(slices.Clone(status.Clusters), func(c api.Cluster) bool { return !selected.Matches(labels.Set(c.Labels)) })
	some.second = &status
	return &some
}

// before returns what the first read has of a cluster; zero if it is new.
func (r *reads) before(cluster string) api.Cluster {
	if i := slices.IndexFunc(r.first.Clusters, func(c api.Cluster) bool { return c.Name == cluster }); i >= 0 {
		return r.first.Clusters[i]
	}
	return api.Cluster{}
}

// per returns by how much a counter has grown in a second. One that begins anew, since
// what it counts was removed and came back, has grown from 0.
func (r *reads) per(before, after uint64) float64 {
	if after < before {
		before = 0
	}
	return float64(after-before) / r.between.Seconds()
}

// share returns which part of the time seconds were, from 0 to 1.
func (r *reads) share(before, after float64) float64 {
	if after < before {
		before = 0
	}
	return min((after-before)/r.between.Seconds(), 1)
}

// topRow is a row of fairlead top, as -o json has it. Rates are per second, sizes in bytes.
type topRow struct {
	Cluster       string  `json:"cluster,omitempty"`
	Resource      string  `json:"resource,omitempty"`
	Sink          string  `json:"sink,omitempty"`
	State         string  `json:"state"`
	Rate          float64 `json:"changesPerSecond"`
	BytesRate     float64 `json:"bytesPerSecond"`
	Throttled     float64 `json:"throttled"` // part of the time
	Blocked       float64 `json:"blocked"`   // likewise: there was no room
	Waiting       int     `json:"waiting"`
	InFlight      int     `json:"inFlight"`
	Bytes         int64   `json:"bytes"`         // of what waits or is being delivered
	OldestSeconds float64 `json:"oldestSeconds"` // age of the oldest change that is not accepted
}

func (r *reads) age(oldest time.Time) float64 {
	if oldest.IsZero() {
		return 0
	}
	return max(r.now.Sub(oldest).Seconds(), 0)
}

// ordered sorts rows by what matters: who is furthest behind, then who does most.
func ordered(rows []topRow, kind string, columns []Column, cells func(topRow) []string) Table {
	slices.SortStableFunc(rows, func(a, b topRow) int {
		return cmp.Or(cmp.Compare(b.OldestSeconds, a.OldestSeconds), cmp.Compare(b.Rate, a.Rate),
			strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Resource, b.Resource), strings.Compare(a.Sink, b.Sink))
	})
	t := Table{Kind: kind, Columns: columns, Items: []any{}}
	for _, row := range rows {
		t.Rows, t.Items = append(t.Rows, cells(row)), append(t.Items, row)
	}
	return t
}

func columnsOf(names string) (columns []Column) {
	for _, n := range strings.Fields(names) {
		columns = append(columns, Column{Name: n})
	}
	return columns
}
