package sinktest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// memory is a sink that keeps what it accepts, and refuses what it is told to: by
// name, or the whole batch.
type memory struct {
	t      *testing.T
	refuse func(*pipeline.Change) error
	whole  bool
	events []pipeline.Event
}

func (m *memory) Write(ctx context.Context, batch []*pipeline.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	failed := map[int]error{}
	for i, c := range batch {
		if m.refuse == nil {
			break
		}
		if err := m.refuse(c); err != nil {
			if failed[i] = err; m.whole && pipeline.IsPermanent(err) {
				return err
			}
		}
	}
	for i, c := range batch {
		if failed[i] != nil {
			continue
		}
		e, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
		if err != nil {
			m.t.Error(err)
		}
		m.events = append(m.events, e)
	}
	if len(failed) > 0 {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

func TestMemory(t *testing.T) {
	for name, whole := range map[string]bool{"by name": false, "the whole batch": true} {
		open := func(t *testing.T) (pipeline.Sink, func() []pipeline.Event, func(func(*pipeline.Change) error)) {
			m := &memory{t: t, whole: whole}
			return m, func() []pipeline.Event { return slices.Clone(m.events) }, func(f func(*pipeline.Change) error) { m.refuse = f }
		}
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
				sink, read, _ := open(t)
				return sink, read
			})
			sinktest.RunRefusing(t, open)
		})
	}
}

func TestMemoryIsPoisoned(t *testing.T) {
	sinktest.RunPoison(t, func(t *testing.T) (sinktest.Stand, func(*pipeline.Change)) {
		m := &memory{t: t, refuse: func(c *pipeline.Change) error {
			if string(c.Object) == "null" {
				return pipeline.Permanent(errors.New("there is nothing"))
			}
			return nil
		}}
		return sinktest.Stand{Sink: m, Events: func() []pipeline.Event { return slices.Clone(m.events) }},
			func(c *pipeline.Change) { c.Object = []byte("null") }
	})
}
