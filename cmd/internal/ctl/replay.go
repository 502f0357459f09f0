package ctl

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// replayCommand is fairlead replay.
type replayCommand struct {
	client Client
	output Output

	cluster, clusterLabels                   string
	resource, namespace, name, labels, route string
	dry                                      bool
}

// NewReplay returns the command replay.
func NewReplay() *cobra.Command {
	r := &replayCommand{}
	cmd := &cobra.Command{
		Use:   "replay --cluster NAME | --cluster-selector LABELS | --route NAME",
		Short: "Have a running program deliver the current state of a cluster again, or of several",
		Long: "Has a running program deliver the current state of all objects of a cluster again,\n" +
			"marked as snapshot, without a restart. It returns when that has begun, and names what\n" +
			"cannot be replayed now, such as a resource that the cluster does not serve.\n\n" +
			"With a namespace, a name or labels it is only the objects that have these and that the\n" +
			"sinks have accepted before. --dry-run counts them, and delivers nothing.\n\n" +
			"Without --cluster it is all clusters, or those that --cluster-selector selects, several at\n" +
			"once. Then at least one of these has to say what: --cluster-selector, --route, -n, --name\n" +
			"and -l. If one cluster fails, the others are replayed, and the command fails.",
		Example: "  fairlead replay --cluster edge-1 --resource deployments.apps\n" +
			"  fairlead replay --cluster edge-1 -n shop -l app=web --dry-run\n" +
			"  fairlead replay --cluster edge-1 --resource pods -n shop --name web-0 --route stdout:\n" +
			"  fairlead replay --route postgres:audit --dry-run -o json",
		Args: NoArgs("name a cluster with --cluster"),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&r.cluster, "cluster", "", "the member's name (default: all clusters that are selected)")
	f.StringVar(&r.clusterLabels, "cluster-selector", "", "only clusters with these labels, which objects of the hub give them")
	f.StringVar(&r.resource, "resource", "", "one resource, with its group, such as deployments.apps (default: all that are followed)")
	f.StringVarP(&r.namespace, "namespace", "n", "", "only objects in this namespace")
	f.StringVar(&r.name, "name", "", "only objects of this name")
	f.StringVarP(&r.labels, "selector", "l", "", "only objects with these labels, such as app=web; each cluster is asked for them")
	f.StringVar(&r.route, "route", "", "only to this sink, by its name (default: to all)")
	f.BoolVar(&r.dry, "dry-run", false, "count the objects, and deliver nothing")
	r.client.AddFlag(f)
	r.output.AddObjectFlag(cmd)
	r.client.completeFlags(cmd)
	return cmd
}

func (r *replayCommand) run(cmd *cobra.Command) error {
	notes := cmd.ErrOrStderr()
	if err := r.output.checkObject(); err != nil {
		return Unasked(err)
	}
	if err := notEmpty(cmd.Flags(), "cluster", "cluster-selector", "resource", "namespace", "name", "selector", "route"); err != nil {
		return err
	}
	said := &replayed{Clusters: []replayedCluster{}, DryRun: r.dry}
	names := []string{r.cluster}
	switch {
	case r.cluster != "" && r.clusterLabels != "":
		return Unasked(errors.New("--cluster and --cluster-selector exclude each other"))
	case r.cluster == "" && r.clusterLabels+r.route+r.namespace+r.name+r.labels == "":
		return Unasked(errors.New("which cluster? Give --cluster NAME or --cluster-selector LABELS, or say what of all clusters: with --route, -n, --name or -l"))
	case r.cluster == "":
		var err error
		if names, _, err = r.client.chosen(cmd.Context(), notes, "cluster-selector", r.clusterLabels); err != nil {
			return Unasked(err)
		}
		said.several, notes = true, io.Discard // who is asked has been said
	}
	type answer struct {
		api.Replay

		err error
	}
	var ends error // of the command, whatever the other clusters come to
	ctx := cmd.Context()
	program := silenceOf(ctx, &r.client, notes)
	asked := inTurn(ctx, names, func(name string) (_ answer, goOn bool) {
		one, err := r.ask(cmd, notes, name)
		return answer{one, err}, program.goOn(ctx, err)
	}, func(name string, one answer) bool {
		if one.err != nil && !said.several {
			ends = one.err
			return false
		}
		c := said.add(name, one.Replay, one.err)
		if r.output.IsText() && ends == nil {
			_, ends = io.WriteString(cmd.OutOrStdout(), c.text(r.dry))
		}
		return ends == nil
	})
	if ends != nil {
		return ends
	}
	return errors.Join(r.print(cmd.OutOrStdout(), said), program.unasked(names, asked), said.end())
}

// ask asks for the replay of one cluster.
func (r *replayCommand) ask(cmd *cobra.Command, notes io.Writer, cluster string) (one api.Replay, err error) {
	query := url.Values{"cluster": {cluster}}
	for key, value := range map[string]string{"resource": r.resource, "namespace": r.namespace, "name": r.name, "labels": r.labels, "route": r.route} {
		if value != "" {
			query.Set(key, value)
		}
	}
	wait := storedWithin
	if r.dry {
		query.Set("dryRun", "true")
	}
	if r.labels != "" {
		wait += listedWithin
	}
	err = r.client.Post(cmd.Context(), notes, "/replay", query, wait, &one, http.StatusOK, http.StatusAccepted)
	return one, err
}

// print prints what there is to say of all clusters together.
func (r *replayCommand) print(w io.Writer, said *replayed) error {
	if !r.output.IsText() {
		if len(said.Clusters) == 0 {
			return nil // the error says all
		}
		return r.output.PrintObject(w, said)
	}
	if !said.several {
		return nil
	}
	_, err := fmt.Fprintln(w, said.sum())
	return err
}

// listedWithin is how long a program may take to ask a cluster for objects with labels.
const listedWithin = time.Minute
