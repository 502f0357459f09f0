package ctl

import (
	"context"
	"fmt"
	"io"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Clusters returns what the program that delivers tells of all: the one that is asked or,
// if that follows, the leader. While nobody leads it is what the follower says.
func (c *Client) Clusters(ctx context.Context, stderr io.Writer) (*api.Status, error) {
	s, _, err := c.clusters(ctx, stderr)
	if err != nil {
		c.opened = nil // the Pod may be gone: look again, next time
	}
	return s, err
}

// clusters is Clusters, and whether a follower was asked first.
func (c *Client) clusters(ctx context.Context, stderr io.Writer) (_ *api.Status, follows bool, err error) {
	var s api.Status
	at, err := c.way(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := page("/clusters", &s).send(ctx, at); err != nil {
		return nil, false, err
	}
	if s.Election.Following() == "" || s.Election.Leader == "" {
		return &s, s.Election.Following() != "", nil
	}
	l := api.Leader{Identity: s.Election.Leader, Host: s.Election.LeaderHost, Address: s.Election.LeaderAddress}
	next, err := at.pageOf(ctx, l)
	if err != nil {
		return nil, true, fmt.Errorf("%s: %w", Visible(s.Election.Following()), err)
	}
	if err := note(stderr, at, next); err != nil {
		return nil, true, err
	}
	var leader api.Status
	if err := page("/clusters", &leader).send(ctx, next); err != nil {
		return nil, true, err
	}
	if leader.Election.Following() != "" {
		return nil, true, fmt.Errorf("%s does not lead any more; try again", Printable(l.Identity))
	}
	return &leader, true, nil
}
