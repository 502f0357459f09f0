// Package fenced has a sink ask for permission before each act, for programs of
// which one of several delivers.
//
// This package is part of Fairlead's engine. Other modules can import it, but its API
// may change at any time.
//
//	batcher ── Write ──▶ [ may I? ] ──▶ sink
//
// What is asked is a function, such as the one by which an election says whether
// this process leads. It is asked right before each act, so of a process that was
// stopped and goes on, no more than the one act that had got past the question can
// be late.
package fenced

import (
	"context"
	"errors"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink returns a sink that writes to another one only if mayAct returns nil. Else
// Write writes nothing and returns that error. It calls refused with an error of a
// write that is a pipeline.ErrOldTerm, and returns that as well.
func Sink(to pipeline.Sink, mayAct func() error, refused func(error)) pipeline.Sink {
	return sink{to, mayAct, refused}
}

type sink struct {
	to      pipeline.Sink
	mayAct  func() error
	refused func(error)
}

func (s sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if err := s.mayAct(); err != nil {
		return err
	}
	err := s.to.Write(ctx, batch)
	if errors.Is(err, pipeline.ErrOldTerm) {
		s.refused(err)
	}
	return err
}

// DeadLetter does the same for a function that takes what a sink has refused for
// good. It returns nil if keep is nil: where nothing is kept, nothing is asked.
func DeadLetter(keep func(c *pipeline.Change, reason error, attempts int) error, mayAct func() error) func(c *pipeline.Change, reason error, attempts int) error {
	if keep == nil {
		return nil
	}
	return func(c *pipeline.Change, reason error, attempts int) error {
		if err := mayAct(); err != nil {
			return err
		}
		return keep(c, reason, attempts)
	}
}
