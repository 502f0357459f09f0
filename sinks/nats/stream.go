package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink writes events to a stream. Write is called by one goroutine at a time, and Close
// after the last one.
type Sink struct {
	*connector
	text []byte // of a message, used again for the next
}

// New returns a sink for a stream. It connects to nothing. The error tells every mistake.
func New(o Options) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sink of NATS: %w", err)
	}
	s := &Sink{connector: newConnector(o)}
	s.prepare = s.make
	return s, nil
}

// make makes the stream if it is missing and that is asked for.
func (s *Sink) make(ctx context.Context, c *connection) error {
	if s.o.Create == nil || s.o.Trial {
		return nil // who may only publish cannot look at it
	}
	_, err := c.js.Stream(ctx, s.o.Stream)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	_, err = c.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: s.o.Stream, Subjects: []string{s.o.Prefix + ".>"}, Storage: jetstream.FileStorage,
		Replicas: max(s.o.Create.Replicas, 1), MaxAge: s.o.Create.MaxAge, AllowDirect: true,
		Description: "changes of objects, written by Fairlead",
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("create stream %s: %w", s.o.Stream, err)
	}
	return nil
}

// Write publishes the events of a batch, and waits for what becomes of each.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if err := ctx.Err(); err != nil || len(batch) == 0 {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	c, err := s.get(limited)
	if err != nil {
		return s.about(ctx, err)
	}
	// A server that reads nothing holds who publishes, too.
	defer context.AfterFunc(limited, c.dialer.cut)()
	errs := make([]error, len(batch))
	var waiting []pending
	rounds(batch, s.o.MaxBatch, errs, func(round []int) {
		waiting = waiting[:0]
		for _, i := range round {
			f, err := c.publish(s.message(batch[i]))
			if errs[i] = err; err == nil {
				waiting = append(waiting, pending{i, f})
			}
		}
		for _, p := range waiting {
			_, errs[p.change] = c.await(limited, p.future)
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.settle(c, batch, errs)
}

// message returns the message of a change. Its text is that of the last one.
func (s *Sink) message(c *pipeline.Change) *nats.Msg {
	var subject strings.Builder
	subject.WriteString(s.o.Prefix)
	subject.WriteByte('.')
	subject.Write(appendSubject(nil, c.Key))
	s.text = c.AppendCloudEvent(s.text[:0])
	return &nats.Msg{Subject: subject.String(), Data: s.text, Header: nats.Header{
		"Content-Type":                 {"application/cloudevents+json; charset=UTF-8"},
		jetstream.MsgIDHeader:          {messageID(c, subject.String())},
		jetstream.ExpectedStreamHeader: {s.o.Stream},
	}}
}
