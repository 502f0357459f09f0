package sinktest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Choose opens the sink that a text chooses of some kinds, as --sink does, and closes it with the
// test.
func Choose(t testing.TB, kinds sinks.Kinds, text string) pipeline.Sink {
	t.Helper()
	spec, err := kinds.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := spec.Open(t.Context(), sinks.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if closer, is := sink.(io.Closer); is {
		t.Cleanup(func() { _ = closer.Close() })
	}
	return sink
}

// Insist writes until the batch is accepted, as the pipeline does, for [Patience] at most: a
// destination may need its time to be back, and a machine that is busy may take longer than a
// sink waits. It ends the test if the sink refuses the batch for good.
func Insist(t testing.TB, sink pipeline.Sink, batch ...*pipeline.Change) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	for {
		err := sink.Write(ctx, batch)
		if err == nil {
			return
		}
		if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
			batch = again(t, batch, partial)
		} else if pipeline.IsPermanent(err) {
			t.Fatalf("refused for good: %v", err)
		}
		wait := time.NewTimer(50 * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			t.Fatalf("not accepted within %s: %v", Patience, err)
		}
	}
}

// Fails checks the error of a write, or of a check: it is about the destination and no change,
// is to be tried again, and has these words.
func Fails(t testing.TB, err error, words ...string) {
	t.Helper()
	if _, partial := errors.AsType[*pipeline.BatchError](err); err == nil || partial || pipeline.IsPermanent(err) {
		t.Fatalf("%v, want an error about the destination, to be tried again", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v, want an error with %q", err, word)
		}
	}
}
