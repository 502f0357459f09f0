package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Check connects, and asks whether the stream takes the subjects. It changes nothing but
// what Create says. A user who may only publish cannot ask for that, and is told so.
func (s *Sink) Check(ctx context.Context) error {
	return s.visit(ctx, func(ctx context.Context, c *connection) error {
		name, err := c.js.StreamNameBySubject(ctx, s.o.Prefix+".>")
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound) && s.o.Trial && s.o.Create != nil:
			return nil // it will be made
		case errors.Is(err, jetstream.ErrStreamNotFound):
			err = fmt.Errorf("subjects %s.>: %w", s.o.Prefix, err)
		case err == nil && name != s.o.Stream:
			err = fmt.Errorf("stream %.80q: %w", name, errExpectedStream)
		}
		return err
	})
}

// Check connects, and looks for the bucket. It changes nothing but what Create says.
func (s *KV) Check(ctx context.Context) error {
	return s.visit(ctx, func(ctx context.Context, c *connection) error {
		if c.bucket == nil {
			return nil // it will be made
		}
		info, err := c.bucket.Info(ctx)
		if err != nil {
			return err
		}
		return warnings(info.Config)
	})
}
