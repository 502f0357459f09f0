package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewLeader returns the command leader.
func NewLeader() *cobra.Command {
	var c Client
	var out Output
	var down, force bool
	cmd := &cobra.Command{
		Use:   "leader",
		Short: "Tell which process leads, or have it give way to another one",
		Long: "Tells which process leads the leader election, since when, with which term and when it last\n" +
			"renewed the lock. Without a leader the exit code is 1.\n\n" +
			"With --step-down the leader drains as on SIGTERM, releases the lock, waits until another\n" +
			"process leads and ends with exit code 1, so that whatever supervises it starts it again. The\n" +
			"command returns as soon as that has begun. It refuses if it sees no process that follows:\n" +
			"among the Pods or, with --admin, at the address itself.",
		Example: "  fairlead leader\n" +
			"  fairlead leader -o jsonpath={.leader}\n" +
			"  kubectl fairlead leader --step-down",
		Args: NoArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if force && !down {
				return Unasked(errors.New("--force is of --step-down; give both, or neither"))
			}
			if err := out.check(leaderColumns); err != nil {
				return err
			}
			e, follows, err := c.election(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return Unasked(err)
			}
			if down {
				if err := c.stepDown(cmd.Context(), cmd.ErrOrStderr(), e, follows || force); err != nil {
					return Unasked(err)
				}
			}
			if err := out.Print(cmd.OutOrStdout(), leaderTable(e, time.Now()), e); err != nil {
				return Unasked(err)
			}
			if e.Leader == "" {
				return &ExitError{ExitProblem, errors.New(Visible(e.Following()))}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&down, "step-down", false, "have the leader drain, release the lock and end, for another one to lead")
	f.BoolVar(&force, "force", false, "with --step-down: also if no process is seen that follows; nothing is delivered until one leads")
	c.AddFlag(f)
	out.AddFlags(f)
	CompleteOutput(cmd, leaderColumns)
	return cmd
}

// election returns what the leader says of the election or, if there is none that can be asked, a
// follower. Follows is whether one was asked first.
func (c *Client) election(ctx context.Context, notes io.Writer) (e *api.Election, follows bool, err error) {
	status, follows, err := c.clusters(ctx, notes)
	if err == nil && status.Election == nil {
		err = errors.New("this program takes part in no election; it was started without --leader-elect")
	}
	if err != nil {
		return nil, false, err
	}
	return status.Election, follows, nil
}

// stepDown has the leader give way. Unless sure, a process has to be seen that follows it.
func (c *Client) stepDown(ctx context.Context, notes io.Writer, e *api.Election, sure bool) error {
	if e.Leader == "" {
		return errors.New("nobody leads; there is nobody to step down")
	}
	if !sure {
		if err := c.successor(ctx, e.Leader); err != nil {
			return fmt.Errorf("%w; give --force to have the leader end all the same: nothing is delivered until it, or another one, leads", err)
		}
	}
	query := url.Values{}
	c.addBy(ctx, query)
	var answer api.Election
	if err := c.Post(ctx, notes, "/step-down", query, 0, &answer, http.StatusAccepted); err != nil {
		return err
	}
	_, err := fmt.Fprintln(notes, "it steps down: it drains what waits, and releases the lock; fairlead leader tells who leads then")
	return err
}

// successor returns an error unless it sees a process that follows that leader. Only Pods are seen.
func (c *Client) successor(ctx context.Context, leader string) error {
	at, err := c.way(ctx)
	if err != nil {
		return err
	}
	if at.pods == nil {
		return errors.New("whether another process waits cannot be seen at the leader; name the --admin of one that follows")
	}
	running, err := at.pods.running(ctx)
	if err != nil {
		return err
	}
	for _, pod := range running {
		var s struct{ Election *api.Election }
		// One that does not answer is no successor.
		if err := page("/clusters", &s).send(ctx, at.pods.way(pod)); err == nil && s.Election != nil && s.Election.Role == "follower" && s.Election.Leader == leader && s.Election.LastError == "" {
			return nil
		}
	}
	return fmt.Errorf("none of the %d running Pods follows this leader", len(running))
}

var leaderColumns = []Column{{Name: "LEADER"}, {Name: "SINCE"}, {Name: "TERM"}, {Name: "RENEWED"}, {Name: "ADDRESS"}, {Name: "LOCK"}, {Name: "IDENTITY", Wide: true}, {Name: "ADMIN", Wide: true}}

func leaderTable(e *api.Election, now time.Time) Table {
	term, admin := "-", "-"
	if e.Role == "leader" && e.Term > 0 {
		term, admin = fmt.Sprint(e.Term), cmp.Or(e.AdminAddress, "-")
	}
	return Table{Kind: "leader", Columns: leaderColumns, Items: []any{e}, Rows: [][]string{{
		cmp.Or(e.LeaderHost, e.Leader, "-"), ago(e.LeaderSince, now), term, ago(e.Renewed, now), cmp.Or(e.LeaderAddress, "-"), e.Lock, cmp.Or(e.Leader, "-"), admin,
	}}}
}
