package main

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestComparingSink(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		s := comparing{control{t.TempDir()}}
		return s, func() []pipeline.Event {
			if _, err := os.Stat(s.control.sink()); err != nil {
				return nil
			}
			return events(t, s.control.sink())
		}
	})
}

// ofTerm returns a batch of one change.
func ofTerm(term uint64, name string) []*pipeline.Change {
	batch := changes(name)
	batch[0].Origin.Term = term
	return batch
}

// What arrives after a write of a later term is refused, and counted.
func TestLateWriteIsRefused(t *testing.T) {
	c := control{t.TempDir()}
	if err := c.setCompares(); err != nil {
		t.Fatal(err)
	}
	open := func() *faultySink {
		to, err := openFaultySink(c.dir)
		if err != nil {
			t.Fatal(err)
		}
		return to.(*faultySink)
	}
	first, second := open(), open() // at a time
	ctx, cancel := context.WithCancel(t.Context())
	first.freeze = func() error {
		if !c.isFrozen() {
			t.Error("nobody knows that it is stopped")
		}
		cancel() // its term is over
		return errors.Join(second.Write(t.Context(), ofTerm(2, "b")), c.thaw())
	}
	if err := errors.Join(first.Write(ctx, ofTerm(1, "a")), c.setDeath(freezeInWrite)); err != nil {
		t.Fatal(err)
	}
	if err := first.Write(ctx, ofTerm(1, "late")); !errors.Is(err, pipeline.ErrOldTerm) {
		t.Errorf("a late write: %v", err)
	}
	if err := second.Write(t.Context(), ofTerm(2, "c")); err != nil {
		t.Error(err)
	}
	n, err := c.lateWrites()
	if got := written(t, first); got != "a b c" || n != 1 || err != nil {
		t.Errorf("written %q, %d writes came late, %v", got, n, err)
	}
}

// A stop that nobody has begun can be taken back, and then nobody does.
func TestStopIsTakenBack(t *testing.T) {
	c := control{t.TempDir()}
	if err := errors.Join(c.setDeath(freezeInWrite), c.clearDeath()); err != nil {
		t.Fatal(err)
	}
	if k, err := c.takeDeath(); k != "" || err != nil || c.isFrozen() {
		t.Errorf("%q, %v, frozen: %v", k, err, c.isFrozen())
	}
	if err := c.setDeath(freezeInWrite); err != nil {
		t.Fatal(err)
	}
	if k, err := c.takeDeath(); k != freezeInWrite || err != nil || !c.isFrozen() {
		t.Errorf("%q, %v, frozen: %v", k, err, c.isFrozen())
	}
}
