package hub

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Kind returns the kind of sink that is chosen by hub:NAMESPACE. Its identity is
// hub:NAMESPACE, with the context in front of the namespace if one is named.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "hub", Usage: "hub:NAMESPACE", Rest: sinks.Required,
			Summary: "a record of each object in a namespace of the hub (records.fairlead.dev), for kubectl get records -l cluster=NAME",
			Params: []sinks.Param{
				{Name: "kubeconfig", Type: sinks.File, Meaning: "the file that says where the hub is, read again when the hub cannot be reached or refuses the credentials; without it the cluster that Fairlead runs in"},
				{Name: "context", Type: sinks.Text, Meaning: "the context of the kubeconfig; without it the current one"},
				{Name: "object", Type: sinks.Choice, Default: "metadata", Choices: []string{"metadata", "full"}, Meaning: "what a record holds of its object"},
				{Name: "install", Type: sinks.Bool, Default: "false", Meaning: "make the CRD of records, or update it, before the first write"},
				{Name: "qps", Type: sinks.Integer, Default: "50", Unit: "requests/s", Max: 100000, Meaning: "how many requests the hub gets; 0: no limit"},
				{Name: "burst", Type: sinks.Integer, Default: "100", Unit: "requests", Min: 1, Max: 100000, Meaning: "how many of them at once after a pause"},
				{Name: "connections", Type: sinks.Integer, Default: "16", Min: 1, Max: 256, Meaning: "how many requests are under way at once"},
				{Name: "batch", Type: sinks.Integer, Default: "100", Unit: "changes", Min: 1, Max: 10000, Meaning: "largest batch"},
				{Name: "deleted-for", Type: sinks.Duration, Default: "1h", Min: int64(leastDeletedFor), Max: math.MaxInt64, Meaning: "how long the record of an object that is gone stays, marked as deleted"},
				{Name: "timeout", Type: sinks.Duration, Default: "30s", Min: int64(time.Second), Max: int64(10 * time.Minute), Meaning: "longest time for one request"},
			},
		},
		Parse: parse,
	}
}

func parse(v *sinks.Value) (*sinks.Spec, error) {
	if wrong := validation.IsDNS1123Label(v.Rest); len(wrong) > 0 {
		return nil, fmt.Errorf("what follows hub: cannot be a namespace: %s", strings.Join(wrong, "; "))
	}
	path, err := apiclient.ExpandHome(v.Str("kubeconfig"))
	if err != nil {
		return nil, err
	}
	name := v.Str("context")
	identity := "hub:" + v.Rest
	if name != "" {
		identity = "hub:" + name + "/" + v.Rest
	}
	connections, most := int(v.Int("connections")), int(v.Int("batch"))
	o := Options{
		Namespace: v.Rest,
		Config: func() (*rest.Config, error) {
			if path == "" && name == "" {
				return apiclient.InPod()
			}
			return apiclient.Context(path, name)
		},
		Full: v.Str("object") == "full", Install: v.Bool("install"),
		QPS: float64(v.Int("qps")), Burst: int(v.Int("burst")), Connections: connections,
		DeletedFor: v.Duration("deleted-for"), Timeout: v.Duration("timeout"),
	}
	return &sinks.Spec{
		Identity: identity,
		// A smaller batch does not use all connections.
		MinBatch: min(connections, most), MaxBatch: most,
		Skips: slices.Clone(skipped),
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			o := o
			o.Log, o.Registerer, o.UserAgent, o.Trial = env.Log, env.Registerer, env.UserAgent, env.Trial
			s, err := New(o)
			if err != nil {
				return nil, err // not a nil *Sink
			}
			return s, nil
		},
	}, nil
}
