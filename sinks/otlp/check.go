package otlp

import "context"

// Check sends a request without records: a receiver answers to it as to any other, which
// tells whether it is there, at that path, and takes the credentials.
func (s *Sink) Check(ctx context.Context) error { return s.send(ctx, nil) }
