package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink writes events to a stream. Write is called by one goroutine at a time, and Close
// after the last one.
type Sink struct {
	*connector
	next      nats.Msg // the message that is sent, made of the one before
	text, buf []byte   // its bytes, and those that names are made of
}

// New returns a sink for a stream. It connects to nothing. The error tells every mistake.
func New(o Options) (*Sink, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sink of NATS: %w", err)
	}
	c, err := newConnector(o)
	if err != nil {
		return nil, err
	}
	s := &Sink{connector: c, next: nats.Msg{Header: nats.Header{
		"Content-Type":                 {"application/cloudevents+json; charset=UTF-8"},
		jetstream.MsgIDHeader:          {""},
		jetstream.ExpectedStreamHeader: {o.Stream},
	}}}
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
	return s.write(ctx, batch, func(ctx context.Context, c *connection, round []int, errs []error) {
		unanswered := c.publisher.begin()
		if unanswered == nil {
			for _, i := range round {
				c.publisher.publish(s.message(batch[i]))
			}
			unanswered = c.publisher.wait(ctx, c)
		}
		for n, i := range round {
			_, errs[i] = c.publisher.answer(n, unanswered)
		}
	})
}

// message returns the message of a change, in place of the one before.
func (s *Sink) message(c *pipeline.Change) *nats.Msg {
	s.buf = append(append(s.buf[:0], s.o.Prefix...), '.')
	s.buf = appendSubject(s.buf, c.Key)
	s.next.Subject = string(s.buf)
	s.buf = appendMessageID(s.buf[:0], c, s.next.Subject)
	s.next.Header[jetstream.MsgIDHeader][0] = string(s.buf)
	s.text = c.AppendCloudEvent(s.text[:0])
	s.next.Data = s.text
	return &s.next
}
