package app

import (
	"context"
	"errors"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// calls counts what gets past a fence.
type calls struct {
	ledger.Store
	n int
}

func (c *calls) Write(context.Context, []*pipeline.Change) error { c.n++; return nil }

func (c *calls) Apply(context.Context, []ledger.Update) error { c.n++; return nil }

func TestEveryActAsksTheFenceFirst(t *testing.T) {
	var lost error
	ask := func() error { return lost }
	behind := &calls{}
	dead := fencedDeadLetter(func(*pipeline.Change, error, int) error { behind.n++; return nil }, ask)
	acts := map[string]func() error{
		"write":       func() error { return fencedSink{behind, ask}.Write(t.Context(), nil) },
		"dead letter": func() error { return dead(nil, nil, 0) },
		"store":       func() error { return fencedStore{behind, ask}.Apply(t.Context(), nil) },
	}
	for name, act := range acts {
		behind.n, lost = 0, nil
		if err := act(); err != nil || behind.n != 1 {
			t.Errorf("%s of a leader: %v, %d calls", name, err, behind.n)
		}
		lost = errors.New("lost")
		if err := act(); !errors.Is(err, lost) || behind.n != 1 {
			t.Errorf("%s of one that has lost the lease: %v, %d calls", name, err, behind.n-1)
		}
	}
	if fencedDeadLetter(nil, ask) != nil {
		t.Error("dead letters appear where there are none")
	}
}
