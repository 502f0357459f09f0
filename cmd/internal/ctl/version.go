package ctl

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewVersion returns the command version of a program that describes itself so.
func NewVersion(description string) *cobra.Command {
	var c Client
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Tell the version, the commit and the Go version that this program was built from",
		Long: "Tells the version, the commit and the Go version that this program was built from, and those of\n" +
			"the running program, if one answers within a second or was asked for with a flag.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), "fairlead", description); err != nil {
				return err
			}
			running, err := c.version(cmd.Context())
			if err != nil {
				if c.Address != "" && !cmd.Flags().Changed("admin") && !c.hub.isGiven(cmd.Flags()) {
					return nil // there may be none
				}
				return Unasked(err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "running:", running)
			return err
		},
	}
	c.AddFlag(cmd.Flags())
	return cmd
}

// version describes the program that runs.
func (c *Client) version(ctx context.Context) (string, error) {
	within := completeWithin
	if c.Address == "" || c.hub.isGiven(c.flags) {
		within = answerWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var v api.Version
	if err := c.Get(ctx, io.Discard, versionPath, nil, &v); err != nil {
		return "", err
	}
	known := []string{v.Go}
	if v.Date != "" {
		known = append([]string{v.Date}, known...)
	}
	if v.Commit != "" {
		known = append([]string{"commit " + v.Commit}, known...)
	}
	return Visible(fmt.Sprintf("%s (%s)", v.Version, strings.Join(known, ", "))), nil
}
