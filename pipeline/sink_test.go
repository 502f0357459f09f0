package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestErrorMarks(t *testing.T) {
	cause := errors.New("too large")
	wrapped := fmt.Errorf("write: %w", pipeline.RetryAfter(pipeline.Permanent(cause), time.Minute))
	if !errors.Is(wrapped, cause) || !pipeline.IsPermanent(wrapped) || wrapped.Error() != "write: too large" {
		t.Errorf("%v lost its cause, its mark or its words", wrapped)
	}
	if d, ok := pipeline.RetryDelay(wrapped); d != time.Minute || !ok {
		t.Errorf("RetryDelay = %v, %v", d, ok)
	}
	if _, ok := pipeline.RetryDelay(pipeline.RetryAfter(cause, -time.Second)); ok {
		t.Error("a delay in the past counts as one")
	}
	if _, ok := pipeline.RetryDelay(cause); ok || pipeline.IsPermanent(cause) || pipeline.IsPermanent(nil) {
		t.Error("a plain error is marked")
	}
	if pipeline.Permanent(nil) != nil || pipeline.RetryAfter(nil, time.Second) != nil {
		t.Error("marking nil makes an error")
	}
}

func TestBatchError(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	err := &pipeline.BatchError{Failed: map[int]error{7: second, 3: first}}
	if got, want := err.Error(), "2 changes of the batch failed, the first at 3: first"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got := err.Unwrap(); !slices.Equal(got, []error{first, second}) {
		t.Errorf("Unwrap() = %v", got)
	}
	if (&pipeline.BatchError{}).Error() == "" {
		t.Error("no words for an empty error")
	}
}
