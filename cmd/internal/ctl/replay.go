package ctl

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// NewReplay returns the command replay.
func NewReplay() *cobra.Command {
	var c Client
	var cluster, resource, namespace, name, labels, route string
	var dry bool
	cmd := &cobra.Command{
		Use:   "replay --cluster NAME",
		Short: "Have a running program deliver the current state of a cluster again",
		Long: "Has a running program deliver the current state of all objects of a cluster again,\n" +
			"marked as snapshot, without a restart. It returns when that has begun, and names what\n" +
			"cannot be replayed now, such as a resource that the cluster does not serve.\n\n" +
			"With a namespace, a name or labels it is only the objects that have these and that the\n" +
			"sinks have accepted before. --dry-run counts them, and delivers nothing.",
		Example: "  fairlead replay --cluster edge-1 --resource deployments.apps\n" +
			"  fairlead replay --cluster edge-1 -n shop -l app=web --dry-run\n" +
			"  fairlead replay --cluster edge-1 --resource pods -n shop --name web-0 --route stdout:",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cluster == "" {
				return Unasked(errors.New("which cluster? Give --cluster NAME"))
			}
			query := url.Values{"cluster": {cluster}}
			for key, value := range map[string]string{"resource": resource, "namespace": namespace, "name": name, "labels": labels, "route": route} {
				if value != "" {
					query.Set(key, value)
				}
			}
			wait := storedWithin
			if dry {
				query.Set("dryRun", "true")
			}
			if labels != "" {
				wait += listedWithin
			}
			var s api.Replay
			if err := c.Post(cmd.Context(), cmd.ErrOrStderr(), "/replay", query, wait, &s, http.StatusOK, http.StatusAccepted); err != nil {
				return err
			}
			var said strings.Builder
			switch {
			case s.DryRun:
				fmt.Fprintf(&said, "A replay would deliver %s of cluster %s again\n", objects(s), Printable(s.Cluster))
			case s.Objects != nil:
				fmt.Fprintf(&said, "Replaying %s of cluster %s\n", objects(s), Printable(s.Cluster))
			default:
				fmt.Fprintf(&said, "Replaying cluster %s: %d streams begin a snapshot\n", Printable(s.Cluster), s.Streams)
			}
			for _, w := range s.Waiting {
				fmt.Fprintf(&said, "%s cannot, and begins one when it can: %s\n", Printable(w.Stream), Printable(w.Reason))
			}
			for _, f := range s.Failed {
				fmt.Fprintf(&said, "Nothing of %s, because it is not known which objects these are: %s\n", Printable(f.Stream), Printable(f.Reason))
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), said.String()); err != nil {
				return err
			}
			if len(s.Failed) > 0 {
				return fmt.Errorf("%d streams of cluster %s were left out", len(s.Failed), Printable(s.Cluster))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the member's name; required")
	cmd.Flags().StringVar(&resource, "resource", "", "one resource of it, with its group, such as deployments.apps (default: all that are followed)")
	f := cmd.Flags()
	f.StringVarP(&namespace, "namespace", "n", "", "only objects in this namespace")
	f.StringVar(&name, "name", "", "only objects of this name")
	f.StringVarP(&labels, "selector", "l", "", "only objects with these labels, such as app=web; the cluster is asked for them")
	f.StringVar(&route, "route", "", "only to this sink, by its name (default: to all)")
	f.BoolVar(&dry, "dry-run", false, "count the objects, and deliver nothing")
	c.AddFlag(f)
	c.completeFlag(cmd)
	return cmd
}

// listedWithin is how long a program may take to ask a cluster for objects with labels.
const listedWithin = time.Minute

// objects says how many objects a replay is of.
func objects(s api.Replay) string {
	switch {
	case s.Objects == nil:
		return "no objects"
	case *s.Objects == 1:
		return "1 object"
	}
	return fmt.Sprintf("%d objects", *s.Objects)
}
