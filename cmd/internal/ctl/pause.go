package ctl

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// storedWithin is how long a program may take to store what it is told, beyond an answer's time.
const storedWithin = 10 * time.Second

// target are the arguments that say what an order is of.
type target struct{ stream, route string }

func (t *target) addFlags(f *pflag.FlagSet) {
	f.StringVar(&t.stream, "stream", "", "one resource of a cluster, CLUSTER/RESOURCE, such as edge-1/deployments.apps")
	f.StringVar(&t.route, "route", "", "everything on its way to one sink, by the sink's name in fairlead status or /clusters")
}

// query returns the target as the parameters of a request.
func (t *target) query(args []string) (url.Values, error) {
	q := url.Values{}
	for name, value := range map[string]string{"cluster": strings.Join(args, ""), "stream": t.stream, "route": t.route} {
		if value != "" {
			q.Set(name, value)
		}
	}
	switch len(q) {
	case 1:
		// Names of clusters may have slashes, also as the first byte.
		if s := t.stream; s != "" && !strings.Contains(s[1:max(len(s)-1, 1)], "/") {
			return nil, Unasked(fmt.Errorf("--stream %q: give CLUSTER/RESOURCE, such as edge-1/deployments.apps", Printable(t.stream)))
		}
		return q, nil
	case 0:
		return nil, Unasked(errors.New("of what? Give the name of a cluster, --stream CLUSTER/RESOURCE or --route NAME"))
	}
	return nil, Unasked(errors.New("the name of a cluster, --stream and --route are each in place of the others: give one of them"))
}

// order are the flags of what holds for a while.
type order struct {
	duration time.Duration
	reason   string
}

func (o *order) addFlags(f *pflag.FlagSet) {
	f.DurationVar(&o.duration, "for", 0, "how long, such as 30m; then it ends by itself (default: until it is ended)")
	f.StringVar(&o.reason, "reason", "", "why, for all who see it: one line of at most 200 bytes")
}

func (o *order) add(cmd *cobra.Command, c *Client, q url.Values) error {
	if cmd.Flags().Changed("for") {
		if o.duration <= 0 {
			return fmt.Errorf("--for %v is no time from now on; leave it out for what does not end by itself", o.duration)
		}
		q.Set("for", o.duration.String())
	}
	if o.reason != "" {
		q.Set("reason", o.reason)
	}
	c.addBy(cmd.Context(), q)
	return nil
}

// NewPause returns the command pause.
func NewPause() *cobra.Command {
	var c Client
	var out Output
	var t target
	var o order
	var mode, selector string
	cmd := &cobra.Command{
		Use:   "pause CLUSTER | --selector LABELS | --stream CLUSTER/RESOURCE | --route NAME",
		Short: "Have a running program deliver nothing of a cluster, a stream or to a sink for a while",
		Long: "Has a running program deliver nothing of a cluster, of one resource of it, or to a sink,\n" +
			"until it is resumed or the time is over. Nothing is lost, and nothing else waits for it.\n" +
			"It holds over restarts, changed settings and another leader.\n\n" +
			"With --mode hold, watches stay open: changes wait in their lanes and, once these are full,\n" +
			"in the cluster. With --mode stop there are no watches: delivery goes on later from where\n" +
			"it was, or with a snapshot, if the cluster does not remember that any more.\n" +
			"What is being written to a sink at this moment is written.\n\n" +
			"With --selector it is each cluster that has the labels now, and none that gets them later.\n" +
			"If one cannot be paused, the others are, and the command fails.",
		Example: "  fairlead pause edge-1 --for 30m --reason 'etcd is being moved'\n" +
			"  fairlead pause --stream edge-1/events --mode stop\n" +
			"  fairlead pause --selector region=north --for 2h --reason 'the link is being repaired'\n" +
			"  fairlead pause --route postgres://db:5432/fleet",
		Args: atMost(1, "--selector takes the labels of several clusters"),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := targets(cmd, &c, &t, selector, args)
			if err != nil {
				return err
			}
			for _, q := range of {
				if err := o.add(cmd, &c, q); err != nil {
					return err
				}
				q.Set("mode", mode)
			}
			return pausing(cmd, &c, &out, "/pause", of, "Paused")
		},
	}
	t.addFlags(cmd.Flags())
	addSelector(cmd.Flags(), &selector)
	cmd.Flags().StringVar(&mode, "mode", api.PauseHold, "hold: watches stay; stop: they are closed")
	// It fails only for a flag that there is not.
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{api.PauseHold, api.PauseStop}, cobra.ShellCompDirectiveNoFileComp))
	o.addFlags(cmd.Flags())
	c.AddFlag(cmd.Flags())
	out.AddFlags(cmd.Flags())
	c.completeFlags(cmd)
	cmd.ValidArgsFunction = c.CompleteCluster
	return cmd
}

// NewResume returns the command resume.
func NewResume() *cobra.Command {
	var c Client
	var out Output
	var t target
	var selector string
	cmd := &cobra.Command{
		Use:   "resume CLUSTER | --selector LABELS | --stream CLUSTER/RESOURCE | --route NAME",
		Short: "End a pause of a running program",
		Long: "Has a running program go on with what was paused. It delivers what has waited, in order.\n\n" +
			"With --selector it is each cluster that is paused and has the labels.",
		Example: "  fairlead resume edge-1\n" +
			"  fairlead resume --selector region=north",
		Args: atMost(1, "--selector takes the labels of several clusters"),
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := targets(cmd, &c, &t, selector, args)
			if err != nil {
				return err
			}
			for _, q := range of {
				c.addBy(cmd.Context(), q)
			}
			return pausing(cmd, &c, &out, "/resume", of, "Resumed")
		},
	}
	t.addFlags(cmd.Flags())
	addSelector(cmd.Flags(), &selector)
	c.AddFlag(cmd.Flags())
	out.AddFlags(cmd.Flags())
	c.completeFlags(cmd)
	cmd.ValidArgsFunction = c.CompleteCluster
	return cmd
}

// until says when something ends by itself.
func until(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// notStored is the error of what is in effect, and may not outlive the program.
func notStored(why string) error {
	if why == "" {
		return nil
	}
	return fmt.Errorf("it is in effect, but is not stored yet, so that a restart now would not know it: %s", Visible(why))
}

// numberOrNone writes a limit of which 0 is none.
func numberOrNone(n float64) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}
