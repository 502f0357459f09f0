package ctl

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewReplay returns the command replay.
func NewReplay() *cobra.Command {
	var c Client
	var cluster, resource string
	cmd := &cobra.Command{
		Use:   "replay --cluster NAME",
		Short: "Have a running program deliver the current state of a cluster again",
		Long: "Has a running program deliver the current state of all objects of a cluster again,\n" +
			"marked as snapshot, without a restart. It returns when that has begun, and names what\n" +
			"cannot be replayed now, such as a resource that the cluster does not serve.",
		Example: "  fairlead replay --cluster edge-1 --resource deployments.apps",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cluster == "" {
				return errors.New("which cluster? Give --cluster NAME")
			}
			query := url.Values{"cluster": {cluster}}
			if resource != "" {
				query.Set("resource", resource)
			}
			var s api.Replay
			if err := c.Post(cmd.Context(), cmd.ErrOrStderr(), "/replay", query, 0, &s, http.StatusOK, http.StatusAccepted); err != nil {
				return err
			}
			var said strings.Builder
			fmt.Fprintf(&said, "Replaying cluster %s: %d streams begin a snapshot\n", Printable(s.Cluster), s.Streams)
			for _, w := range s.Waiting {
				fmt.Fprintf(&said, "%s cannot, and begins one when it can: %s\n", Printable(w.Stream), Printable(w.Reason))
			}
			_, err := io.WriteString(cmd.OutOrStdout(), said.String())
			return err
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the member's name; required")
	cmd.Flags().StringVar(&resource, "resource", "", "one resource of it, with its group, such as deployments.apps (default: all that are followed)")
	c.AddFlag(cmd.Flags())
	return cmd
}
