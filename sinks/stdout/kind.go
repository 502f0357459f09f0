package stdout

import (
	"context"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Kind returns the kind of sink that is chosen by stdout:. Its identity is stdout:.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{Scheme: "stdout", Usage: "stdout:", Summary: "CloudEvents as JSON lines on standard output", Rest: sinks.Nothing},
		Parse: func(v *sinks.Value) (*sinks.Spec, error) {
			return &sinks.Spec{
				Identity: "stdout:",
				Open:     func(_ context.Context, env sinks.Env) (pipeline.Sink, error) { return New(env.Stdout), nil },
			}, nil
		},
	}
}
