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
	c, err := s.get(ctx)
	if err != nil {
		return s.about(ctx, err)
	}
	var name string
	err = c.while(ctx, func(ctx context.Context) (err error) {
		name, err = c.js.StreamNameBySubject(ctx, s.o.Prefix+".>")
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return s.about(ctx, fmt.Errorf("subjects %s.>: %w", s.o.Prefix, err))
	case err != nil:
		return s.about(ctx, err)
	case name != s.o.Stream:
		return s.about(ctx, fmt.Errorf("stream %.80q: %w", name, errExpectedStream))
	}
	return nil
}

// Check connects, and looks for the bucket. It changes nothing but what Create says.
func (s *KV) Check(ctx context.Context) error {
	c, err := s.get(ctx)
	if err != nil {
		return s.about(ctx, err)
	}
	err = c.while(ctx, func(ctx context.Context) error {
		_, err := c.bucket.Info(ctx)
		return err
	})
	if err != nil {
		return s.about(ctx, err)
	}
	return nil
}
