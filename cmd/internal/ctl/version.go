package ctl

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// versions are those of the program that is asked with, and of the one that runs.
type versions struct {
	Client  api.Version  `json:"client"`
	Running *api.Version `json:"running,omitempty"` // absent: none has answered
}

// NewVersion returns the command version of a program that describes itself so.
func NewVersion(description string, own api.Version) *cobra.Command {
	var c Client
	var out Output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Tell the version, the commit and the Go version that this program was built from",
		Long: "Tells the version, the commit and the Go version that this program was built from, and those of\n" +
			"the running program, if one answers within a second or was asked for with a flag.",
		Example: "  fairlead version\n" +
			"  fairlead version -o jsonpath='{.running.version}'",
		Args: NoArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.checkObject(); err != nil {
				return Unasked(err)
			}
			if out.IsText() {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), "fairlead", description); err != nil {
					return err
				}
			}
			running, err := c.version(cmd.Context())
			mayBeNone := c.Address != "" && !cmd.Flags().Changed("admin") && !c.hub.isGiven(cmd.Flags())
			if err != nil && !mayBeNone {
				return Unasked(err)
			}
			if !out.IsText() {
				return out.PrintObject(cmd.OutOrStdout(), versions{own, running})
			}
			if running == nil {
				return nil
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "running:", described(running))
			return err
		},
	}
	c.AddFlag(cmd.Flags())
	out.AddObjectFlag(cmd)
	return cmd
}

// version returns the version of the program that runs.
func (c *Client) version(ctx context.Context) (*api.Version, error) {
	within := completeWithin
	if c.Address == "" || c.hub.isGiven(c.flags) {
		within = answerWithin
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	v := new(api.Version)
	if err := c.Get(ctx, io.Discard, versionPath, nil, v); err != nil {
		return nil, err
	}
	return v, nil
}

// described returns a version as a line.
func described(v *api.Version) string {
	known := []string{v.Go}
	if v.Date != "" {
		known = append([]string{v.Date}, known...)
	}
	if v.Commit != "" {
		known = append([]string{"commit " + v.Commit}, known...)
	}
	return Visible(fmt.Sprintf("%s (%s)", v.Version, strings.Join(known, ", ")))
}
