package otlp

import (
	"context"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Check sends a request without records: a receiver answers to it as to any other, which
// tells whether it is there, at that path, and takes the credentials. One that refuses it for
// what it is (400, 413) may still take records.
func (s *Sink) Check(ctx context.Context) error {
	err := s.send(ctx, nil)
	if pipeline.IsPermanent(err) {
		return sinks.Caution(err)
	}
	return err
}
