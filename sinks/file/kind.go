package file

import (
	"context"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Kind returns the kind of sink that is chosen by file:PATH. Its identity is
// file:PATH with the path as it was given, so that two ways of writing one path are
// two sinks.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "file", Usage: "file:PATH", Rest: sinks.Literal,
			Summary: "CloudEvents as JSON lines, appended to a file and fsynced; the file is reopened on SIGHUP",
		},
		Parse: func(v *sinks.Value) (*sinks.Spec, error) {
			path := v.Rest
			return &sinks.Spec{
				Identity: "file:" + path,
				Open: func(context.Context, sinks.Env) (pipeline.Sink, error) {
					s, err := Open(path)
					if err != nil {
						return nil, err // not a nil *Sink
					}
					return s, nil
				},
			}, nil
		},
	}
}
