package sinks_test

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// names is a sink that writes the name of each object.
type names struct{ to io.Writer }

func (s names) Write(_ context.Context, batch []*pipeline.Change) error {
	for _, c := range batch {
		if _, err := fmt.Fprintln(s.to, c.Key.Name); err != nil {
			return err
		}
	}
	return nil
}

// A kind says how it is written and what it does with that.
func ExampleKind() {
	kinds := sinks.Kinds{{
		Form: sinks.Form{
			Scheme: "names", Usage: "names://HOST/PLACE", Summary: "the names of objects", Rest: sinks.URL, User: true, Credentials: "passwordFile",
			Params: []sinks.Param{
				{Name: "passwordFile", Type: sinks.File, Meaning: "the user's password, read again when it changes"},
				{Name: "batch", Type: sinks.Integer, Default: "100", Unit: "changes", Min: 1, Max: 1000, Meaning: "largest batch"},
			},
		},
		Parse: func(v *sinks.Value) (*sinks.Spec, error) {
			return &sinks.Spec{
				Identity: v.Scheme + "://" + v.Hosts[0] + v.Path,
				MaxBatch: int(v.Int("batch")),
				Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
					return names{env.Stdout}, nil
				},
			}, nil
		},
	}}
	_, err := kinds.Parse("names://me@example.com/all?bacth=5&password=secret")
	fmt.Println(err)

	spec, err := kinds.Parse("names://me@example.com/all?passwordFile=/run/password&batch=5")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(spec.Identity, spec.MaxBatch)
	sink, err := spec.Open(context.Background(), sinks.Env{Stdout: os.Stdout})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := sink.Write(context.Background(), []*pipeline.Change{{Key: pipeline.Key{Name: "a"}}}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// "names://example.com": a parameter is unknown; names: has passwordFile, batch, name, where, changed, unchanged, drop, redact, only, preset
	// "names://example.com": parameter password would be shown to all who see this process; give passwordFile instead
	// names://example.com/all 5
	// a
}
