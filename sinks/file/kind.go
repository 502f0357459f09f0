package file

import (
	"context"
	"errors"

	"github.com/fairlead-dev/fairlead/internal/lines"
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
				Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
					if env.Trial {
						if err := lines.Probe(path); err != nil {
							return nil, err
						}
						return trial{}, nil
					}
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

// trial is a sink that is only checked, by Open.
type trial struct{}

func (trial) Write(context.Context, []*pipeline.Change) error {
	return errors.New("a file that is only checked is not written")
}
