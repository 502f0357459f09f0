package fenced

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
)

type counted struct {
	n   int
	err error
}

func (c *counted) Write(context.Context, []*pipeline.Change) error { c.n++; return c.err }

func TestADestinationMayRefuseTheTerm(t *testing.T) {
	var told []error
	behind := &counted{}
	sink := Sink(behind, func() error { return nil }, func(err error) { told = append(told, err) })
	for _, err := range []error{nil, errors.New("down"), pipeline.Permanent(errors.New("poison"))} {
		behind.err = err
		if got := sink.Write(t.Context(), nil); !errors.Is(got, err) || len(told) > 0 {
			t.Errorf("%v: %v, told %v", err, got, told)
		}
	}
	behind.err = fmt.Errorf("write to the table: %w", pipeline.ErrOldTerm)
	if got := sink.Write(t.Context(), nil); !errors.Is(got, pipeline.ErrOldTerm) || len(told) != 1 {
		t.Errorf("an old term: %v, told %v", got, told)
	}
}

func TestEveryActAsksFirst(t *testing.T) {
	var lost error
	ask := func() error { return lost }
	behind := &counted{}
	sink := Sink(behind, ask, nil)
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
