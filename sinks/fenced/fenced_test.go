package fenced

import (
	"context"
	"errors"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
)

type counted struct{ n int }

func (c *counted) Write(context.Context, []*pipeline.Change) error { c.n++; return nil }

func TestEveryActAsksFirst(t *testing.T) {
	var lost error
	ask := func() error { return lost }
	behind := &counted{}
	sink := Sink(behind, ask)
	dead := DeadLetter(func(*pipeline.Change, error, int) error { behind.n++; return nil }, ask)
	for name, act := range map[string]func() error{
		"write":       func() error { return sink.Write(t.Context(), nil) },
		"dead letter": func() error { return dead(nil, nil, 0) },
	} {
		behind.n, lost = 0, nil
		if err := act(); err != nil || behind.n != 1 {
			t.Errorf("%s that is allowed: %v, %d acts", name, err, behind.n)
		}
		lost = errors.New("lost")
		if err := act(); !errors.Is(err, lost) || behind.n != 1 {
			t.Errorf("%s that is not allowed: %v, %d acts", name, err, behind.n-1)
		}
	}
	if DeadLetter(nil, ask) != nil {
		t.Error("dead letters appear where there are none")
	}
}
