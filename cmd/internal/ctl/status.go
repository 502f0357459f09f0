package ctl

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// statusCommand is fairlead status.
type statusCommand struct {
	client   Client
	output   Output
	names    []string // of clusters; none: all
	states   []string
	selector string
	watch    bool
	wait     string
	timeout  time.Duration
	atLeast  int // clusters that --wait waits for

	selected labels.Selector
}

// NewStatus returns the command status.
func NewStatus() *cobra.Command {
	s := &statusCommand{}
	cmd := &cobra.Command{
		Use:   "status [CLUSTER...]",
		Short: "Tell how each cluster is, problems first, and what else is wrong",
		Long: "Tells how each cluster is, those with problems first, then what is wrong with sinks, the ledger,\n" +
			"the election and descriptions of clusters, and sums up. A cluster is live if it and all its\n" +
			"streams are.\n\n" +
			"The exit code is 0 if all clusters that are asked for are live and nothing else is wrong, 1 if\n" +
			"not, and 2 if the program could not be asked.",
		Example: "  fairlead status\n" +
			"  fairlead status edge-1 edge-2 -o wide\n" +
			"  fairlead status --state=waiting,backing-off --sort-by=since\n" +
			"  fairlead status --wait=live --at-least=2 --timeout=5m",
		RunE: func(cmd *cobra.Command, args []string) error {
			s.names = args
			return s.run(cmd)
		},
		ValidArgsFunction: s.client.CompleteClusters,
	}
	f := cmd.Flags()
	f.StringSliceVar(&s.states, "state", nil, "only clusters in these states: live, syncing, connecting, stale, backing-off, waiting, paused, gone")
	f.StringVarP(&s.selector, "selector", "l", "", "only clusters with these labels, which objects of the hub give them")
	f.BoolVarP(&s.watch, "watch", "w", false, "tell again every 2 seconds, until interrupted")
	f.StringVar(&s.wait, "wait", "", "wait until all clusters that are asked for are in this state; with live, until nothing is wrong")
	f.IntVar(&s.atLeast, "at-least", 1, "with --wait: so many clusters, if what describes them comes one after the other")
	f.DurationVar(&s.timeout, "timeout", 2*time.Minute, "how long --wait waits")
	s.output.AddFlags(f)
	s.client.AddFlag(f)
	CompleteOutput(cmd, statusColumns)
	for _, name := range []string{"state", "wait"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(stateNames(), cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// nameOf is a state as flags take it.
func nameOf(s member.State) string { return strings.ReplaceAll(string(s), " ", "-") }

func stateNames() (names []string) {
	for _, s := range worst {
		names = append(names, nameOf(s))
	}
	return names
}

func (s *statusCommand) run(cmd *cobra.Command) (err error) {
	for _, state := range append(slices.Clone(s.states), s.wait) {
		if state != "" && !slices.Contains(stateNames(), strings.ReplaceAll(state, " ", "-")) {
			return Unasked(fmt.Errorf("%q is no state; there are %s", state, strings.Join(stateNames(), ", ")))
		}
	}
	if s.selected, err = labels.Parse(s.selector); err != nil {
		return Unasked(fmt.Errorf("--selector: %w", err))
	}
	switch {
	case s.atLeast < 1:
		return Unasked(fmt.Errorf("--at-least %d is met by no cluster at all; give 1 or more", s.atLeast))
	case s.wait == "" && cmd.Flags().Changed("at-least"):
		return Unasked(fmt.Errorf("--at-least is of --wait; give both"))
	case s.watch && s.wait != "":
		return Unasked(fmt.Errorf("--watch and --wait exclude each other"))
	case s.watch:
		return follow(cmd, watchEvery, func(frame io.Writer) error { return s.tell(cmd, frame, frame) })
	case s.wait != "":
		return s.await(cmd)
	}
	return s.tell(cmd, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// tell asks for the status and prints it, and returns the end of the command.
func (s *statusCommand) tell(cmd *cobra.Command, to, notes io.Writer) error {
	status, err := s.client.Clusters(cmd.Context(), notes)
	if err != nil {
		return Unasked(err)
	}
	if err := anySelected(status, "selector", s.selector, s.selected); err != nil {
		if _, err := fmt.Fprintln(notes, err); err != nil {
			return err
		}
	}
	return s.print(to, status)
}

// print prints, and returns the end of the command.
func (s *statusCommand) print(w io.Writer, status *api.Status) error {
	now := time.Now()
	clusters, err := s.choose(status)
	if err != nil {
		return Unasked(err)
	}
	problems := problemsOf(status, now)
	if s.watch && s.output.IsTable() && len(problems) > 0 { // a terminal may cut what is below
		if _, err := fmt.Fprintln(w, strings.Join(problems, "\n")+"\n"); err != nil {
			return err
		}
	}
	ordered := func(items []any) any {
		shown := *status
		shown.Clusters = []api.Cluster{}
		for _, c := range items {
			shown.Clusters = append(shown.Clusters, *c.(*api.Cluster))
		}
		return shown
	}
	if err := s.output.Print(w, statusTable(clusters, now), ordered); err != nil {
		return Unasked(err)
	}
	if s.output.IsTable() {
		text := summary(status, clusters, len(problems), now)
		if !s.watch {
			text = strings.Join(append(slices.Clone(problems), text), "\n")
		}
		if len(clusters) > 0 || len(problems) > 0 {
			text = "\n" + text
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	if len(problems) > 0 || slices.ContainsFunc(clusters, func(c api.Cluster) bool { return !isWell(&c) }) {
		return &ExitError{Code: ExitProblem}
	}
	return nil
}

// isWell reports whether a cluster is live, as a whole.
func isWell(c *api.Cluster) bool {
	at := standingOf(c)
	return at.state == member.Live && at.reason == ""
}

// choose returns the clusters that are asked for, problems first.
func (s *statusCommand) choose(status *api.Status) ([]api.Cluster, error) {
	for _, name := range s.names {
		if !slices.ContainsFunc(status.Clusters, func(c api.Cluster) bool { return c.Name == name }) {
			return nil, fmt.Errorf("there is no cluster %q; fairlead status tells of all", name)
		}
	}
	if err := anySelected(status, "selector", s.selector, s.selected); err != nil && s.wait != "" {
		return nil, err // it would wait for nothing
	}
	clusters := slices.DeleteFunc(slices.Clone(status.Clusters), func(c api.Cluster) bool {
		return len(s.names) > 0 && !slices.Contains(s.names, c.Name) ||
			!s.selected.Matches(labels.Set(c.Labels)) ||
			len(s.states) > 0 && !slices.ContainsFunc(s.states, func(state string) bool { return isIn(&c, state) })
	})
	slices.SortStableFunc(clusters, func(a, b api.Cluster) int {
		x, y := standingOf(&a), standingOf(&b)
		return cmp.Or(cmp.Compare(rank(x.state), rank(y.state)), cmp.Compare(notWell(x), notWell(y)), cmp.Compare(a.Name, b.Name))
	})
	return clusters, nil
}

func notWell(s standing) int {
	if s.reason != "" {
		return 0
	}
	return 1
}

func isIn(c *api.Cluster, state string) bool {
	return nameOf(standingOf(c).state) == strings.ReplaceAll(state, " ", "-")
}

var statusColumns = []Column{
	{Name: "NAME"}, {Name: "STATE"}, {Name: "SINCE"}, {Name: "STREAMS"}, {Name: "WAITING"}, {Name: "THROTTLED"}, {Name: "OLDEST"},
	{Name: "ATTEMPT", Wide: true}, {Name: "RETRY", Wide: true}, {Name: "OBJECTS", Wide: true}, {Name: "VERSION", Wide: true}, {Name: "UID", Wide: true}, {Name: "SOURCE", Wide: true},
	{Name: "REASON"},
}

func statusTable(clusters []api.Cluster, now time.Time) Table {
	t := Table{Kind: "cluster", Columns: statusColumns, Items: []any{}}
	for i := range clusters {
		c := &clusters[i]
		at := standingOf(c)
		retry := "-"
		if !c.NextRetry.IsZero() {
			retry = short(c.NextRetry.Sub(now))
		}
		t.Rows = append(t.Rows, []string{
			c.Name, string(at.state), ago(at.since, now), fmt.Sprintf("%d/%d", at.live, len(c.Streams)), fmt.Sprint(waitingOf(c.Lane)),
			short(seconds(c.Counts.ThrottledSeconds)), ago(oldestOf(c), now),
			fmt.Sprint(c.Attempt), retry, fmt.Sprint(c.Ledger.Objects), cmp.Or(c.ServerVersion, "-"), cmp.Or(c.UID, "-"), c.Source,
			at.reason,
		})
		t.Items = append(t.Items, c)
	}
	return t
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
