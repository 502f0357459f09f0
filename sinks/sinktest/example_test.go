package sinktest_test

import (
	"context"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// journal is a sink that keeps the events in memory.
type journal struct {
	mu    sync.Mutex
	lines [][]byte
}

// Write accepts the batch. It encodes each change, because it may keep nothing of it.
func (j *journal) Write(ctx context.Context, batch []*pipeline.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range batch {
		j.lines = append(j.lines, c.AppendCloudEvent(nil))
	}
	return nil
}

// openJournal returns an empty journal, and what reads it.
func openJournal(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
	j := new(journal)
	return j, func() (events []pipeline.Event) {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, line := range j.lines {
			event, err := pipeline.ParseEvent(line)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, event)
		}
		return events
	}
}

// The suite runs in a test of the sink.
func ExampleRun() {
	var t *testing.T // of TestConformance(t *testing.T)
	sinktest.Run(t, openJournal)
}
