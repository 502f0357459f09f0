package ctl

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Clusters returns what the program that delivers tells of all: the one that is asked or,
// if that follows, the leader. While nobody leads it is what the follower says.
func (c *Client) Clusters(ctx context.Context, stderr io.Writer) (*api.Status, error) {
	s, err := c.clusters(ctx, stderr)
	if err != nil {
		c.opened = nil // the Pod may be gone: look again, next time
	}
	return s, err
}

func (c *Client) clusters(ctx context.Context, stderr io.Writer) (*api.Status, error) {
	var s api.Status
	at, err := c.way(ctx)
	if err != nil {
		return nil, err
	}
	if err := page("/clusters", &s).send(ctx, at); err != nil {
		return nil, err
	}
	if s.Election.Following() == "" || s.Election.Leader == "" {
		return &s, nil
	}
	l := api.Leader{Identity: s.Election.Leader, Host: s.Election.LeaderHost, Address: s.Election.LeaderAddress}
	next, err := at.pageOf(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Visible(s.Election.Following()), err)
	}
	if err := note(stderr, at, next); err != nil {
		return nil, err
	}
	var leader api.Status
	if err := page("/clusters", &leader).send(ctx, next); err != nil {
		return nil, err
	}
	if leader.Election.Following() != "" {
		return nil, fmt.Errorf("%s does not lead any more; try again", Printable(l.Identity))
	}
	return &leader, nil
}

// completeWithin bounds a completion: whoever presses a key waits for it.
const completeWithin = time.Second

// CompleteClusters completes the name of a cluster by what the program tells within a
// second. It is a cobra.Command's ValidArgsFunction.
func (c *Client) CompleteClusters(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	status, err := c.Clusters(ctx, io.Discard)
	if err != nil {
		cobra.CompErrorln(err.Error())
		return nil, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for i := range status.Clusters {
		k := &status.Clusters[i]
		if strings.HasPrefix(k.Name, begun) && !slices.Contains(args, k.Name) {
			names = append(names, cobra.CompletionWithDesc(Printable(k.Name), string(standingOf(k).state)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// CompleteCluster is CompleteClusters where only the first argument is a cluster.
func (c *Client) CompleteCluster(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.CompleteClusters(cmd, args, begun)
}

// completeFlag completes the command's flag --cluster, also behind a comma.
func (c *Client) completeFlag(cmd *cobra.Command) {
	// It fails only for a flag that there is not.
	_ = cmd.RegisterFlagCompletionFunc("cluster", func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := ""
		if cmd.Flag("cluster").Value.Type() == "stringSlice" {
			before = begun[:strings.LastIndex(begun, ",")+1]
		}
		names, how := c.CompleteClusters(cmd, strings.Split(before, ","), begun[len(before):])
		for i := range names {
			names[i] = before + names[i]
		}
		return names, how
	})
}
