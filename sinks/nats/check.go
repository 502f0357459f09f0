package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/sinks"
)

// Check connects, and asks whether the stream takes the subjects. It changes nothing but
// what Create says. A user who may only publish cannot ask for that, and is told so: to
// write, he need not.
func (s *Sink) Check(ctx context.Context) error {
	err := s.visit(ctx, func(ctx context.Context, c *connection) error {
		name, err := c.js.StreamNameBySubject(ctx, s.o.Prefix+".>")
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound) && s.o.Trial && s.o.Create != nil:
			_, err = c.js.Stream(ctx, s.o.Stream)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil // it will be made
			}
			if err == nil {
				err = fmt.Errorf("it takes none of the subjects %s.>; %s", s.o.Prefix, addSubjects)
			}
		case errors.Is(err, jetstream.ErrStreamNotFound):
			err = fmt.Errorf("subjects %s.>: %w", s.o.Prefix, err)
		case err == nil && name != s.o.Stream:
			err = fmt.Errorf("stream %.80q: %w", name, errExpectedStream)
		case err == nil:
			err = s.takesSome(ctx, c)
		}
		return err
	})
	if errors.Is(err, nats.ErrPermissionViolation) {
		return sinks.Caution(err)
	}
	return err
}

const addSubjects = "add those to its subjects, or give its own with prefix"

// takesSome returns an error if the stream takes no subject that the sink may write to. One
// that takes some only is in order: filters may leave the others out. A user who may not
// look at it learns nothing: to write, nobody has to.
func (s *Sink) takesSome(ctx context.Context, c *connection) error {
	all := s.o.Prefix + ".*.*.*.*.*" // cluster, group, resource, namespace and name
	stream, err := c.js.Stream(ctx, s.o.Stream)
	if errors.Is(c.failure(), nats.ErrPermissionViolation) {
		return nil
	}
	if err != nil {
		return err
	}
	of := stream.CachedInfo().Config.Subjects
	if slices.ContainsFunc(of, func(subject string) bool { return overlap(subject, all) }) {
		return nil
	}
	return fmt.Errorf("it takes %.200q, which is none of %s; %s", of, all, addSubjects)
}

// overlap reports whether a subject with wildcards matches any that another one matches, which
// ends with none for the rest.
func overlap(subject, other string) bool {
	for {
		token, rest, more := strings.Cut(subject, ".")
		want, wantRest, wantMore := strings.Cut(other, ".")
		switch {
		case token == ">":
			return true
		case token != "*" && want != "*" && token != want:
			return false
		case !more || !wantMore:
			return more == wantMore
		}
		subject, other = rest, wantRest
	}
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
