package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
)

// errFound is the end of fairlead check where something is wrong.
var errFound = errors.New("something is wrong")

// mostCheck bounds what a program answers to a check, in bytes.
const mostCheck = 256 << 20

// checkCommand is fairlead check.
type checkCommand struct {
	config    Config // with pre, what would be started
	client    ctl.Client
	pre, deep bool
	timeout   time.Duration
	output    ctl.Output
	failOn    string
}

func newCheckCommand(o Options) *cobra.Command {
	c := &checkCommand{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find out what is wrong, and what to do about it",
		Long: "Asks a running program what is not as it should be, and has it ask its members and sinks now:\n" +
			"reachability, credentials that end, clocks, versions, latency, rights; streams that do not run,\n" +
			"lanes that are full, limits that are used up, sinks that fail, refuse or are slow, dead letters,\n" +
			"the ledger, the lock and the configuration file. Each finding has a code, the cause, what to do,\n" +
			"and a place in docs/findings.md. Nothing is changed.\n" +
			"\n" +
			"With --pre no program needs to run: give the flags of fairlead run, or --config FILE, and what\n" +
			"they name is asked from here, and nothing is made: no table, stream or CRD, and no file but an\n" +
			"empty one beside the ledger, which is locked, synced and removed again. With --deep\n" +
			"the running program also compares now what it knows with what every cluster has, which costs\n" +
			"each a list; what differs is repaired.\n" +
			"\n" +
			"The exit code is 0 if no error was found, 1 if one was, and 2 if nothing could be asked.",
		Example: "  fairlead check\n" +
			"  fairlead check --pre --clusters kubeconfig:fleet.yaml --watch configmaps --sink stdout:\n" +
			"  fairlead check -o json | jq '.findings[] | select(.severity == \"error\")'\n" +
			"  fairlead check -o junit > check.xml",
		Args: ctl.NoArgs("it looks at all clusters; fairlead status and fairlead explain tell of one"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd, o) },
	}
	c.config.addHidden(cmd, &o)
	f := cmd.Flags()
	c.client.AddFlag(f)
	c.output.AddFlags(f)
	f.Lookup("output").Usage = "form of the output: json, yaml, junit, or wide for a table of the clusters (default: text)"
	f.BoolVar(&c.pre, "pre", false, "check what the flags of fairlead run name, before it is started")
	f.BoolVar(&c.deep, "deep", false, "compare what the program knows with what every cluster has")
	f.DurationVar(&c.timeout, "timeout", 0, "bound of the whole check of a running program (default 1m, with --deep 5m), or with --pre of each attempt to connect (default 10s)")
	f.StringVar(&c.failOn, "fail-on", string(api.SeverityError), "from which severity on the exit code is 1: error or warning")
	return cmd
}

func (c *checkCommand) run(cmd *cobra.Command, o Options) error {
	if err := c.checkFlags(); err != nil {
		return ctl.Unasked(err)
	}
	found, err := c.ask(cmd.Context(), cmd.ErrOrStderr(), o)
	if err != nil {
		return ctl.Unasked(err)
	}
	if err := c.print(cmd, found); err != nil {
		return err
	}
	worst := findings.Worst(found.Findings)
	if worst == api.SeverityError || worst == api.SeverityWarning && c.failOn == string(api.SeverityWarning) {
		return &ctl.ExitError{Code: ctl.ExitProblem, Err: fmt.Errorf("%w: %s", errFound, strings.ToLower(findings.Summary(found.Findings)))}
	}
	return nil
}

func (c *checkCommand) checkFlags() error {
	switch {
	case c.failOn != string(api.SeverityError) && c.failOn != string(api.SeverityWarning):
		return fmt.Errorf("--fail-on %q is neither error nor warning", c.failOn)
	case c.pre && c.deep:
		return errors.New("--pre and --deep: only a program that runs has something to compare; leave one out")
	case !c.pre && len(c.config.given) > 0:
		return fmt.Errorf("--%s is a flag of fairlead run, and a program that runs has its own; add --pre to check what would be started", c.config.given[0].name)
	case c.timeout < 0:
		return errors.New("--timeout must not be negative")
	}
	return nil
}

func (c *checkCommand) ask(ctx context.Context, stderr io.Writer, o Options) (*api.Check, error) {
	if c.pre {
		o.tellsUnkept = true
		s, err := load(c.config.given, o)
		if err != nil {
			return nil, fmt.Errorf("nothing was asked, because of these flags:\n%w", err)
		}
		timeout := c.timeout
		if timeout == 0 {
			timeout = 10 * time.Second
		}
		return s.precheck(ctx, timeout), nil
	}
	within := c.timeout
	switch {
	case within == 0 && c.deep:
		within = 5 * time.Minute
	case within == 0:
		within = time.Minute
	}
	query := url.Values{"within": {within.String()}}
	if c.deep {
		query.Set("deep", "true")
	}
	ctx, cancel := context.WithTimeout(ctx, within+writeTimeout)
	defer cancel()
	begin := c.client.Stream
	if c.deep { // it repairs
		begin = c.client.Begin
	}
	body, err := begin(ctx, stderr, "/check", query)
	if err != nil {
		return c.askFollower(ctx, stderr, err)
	}
	defer func() { _ = body.Close() }()
	found := new(api.Check)
	if err := json.NewDecoder(io.LimitReader(body, mostCheck)).Decode(found); err != nil {
		return nil, fmt.Errorf("read the answer of the program: %w", err)
	}
	return found, nil
}

// askFollower finds what a follower knows, where the leader cannot be asked for a reason.
func (c *checkCommand) askFollower(ctx context.Context, stderr io.Writer, why error) (*api.Check, error) {
	began := time.Now()
	var status api.Status
	if err := c.client.Get(ctx, stderr, "/clusters", nil, &status); err != nil || status.Election == nil || status.Election.Role == "leader" {
		return nil, why
	}
	if _, err := fmt.Fprintln(stderr, "The leader could not be asked:", ctl.Visible(why.Error())); err != nil {
		return nil, err
	}
	return newCheck(findings.Input{Now: time.Now(), Status: status}, began), nil
}

func (c *checkCommand) print(cmd *cobra.Command, found *api.Check) error {
	out := cmd.OutOrStdout()
	switch form := cmd.Flags().Lookup("output").Value.String(); form {
	case "", "text":
		return findings.Print(out, found)
	case "junit":
		return findings.JUnit(out, found)
	}
	return c.output.Print(out, findings.Table(found), found)
}
