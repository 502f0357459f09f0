package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// A traced change is told of with the write that decided it: what a poisonous change splits
// is of several, what several calls bring together is of one, and what is not traced has
// nothing.
func TestTheWriteOfATracedChangeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if strings.Contains(fmt.Sprint(batch), "poison1") {
				return pipeline.Permanent(errors.New("no"))
			}
			return nil
		}}
		b, _ := start(t, sink, Options{MinBatch: 4})
		given := &pipeline.Trace{TraceID: [16]byte{1}}
		traced := func(name string) *pipeline.Change {
			c := change(name, 1)
			c.Trace = given
			return c
		}
		changes := []*pipeline.Change{traced("a"), traced("b"), change("c", 1), traced("poison")}
		outcomeOf(t, b, changes...)
		// [a b c poison] is split into [a b] and [c poison], and that into [c] and [poison].
		a, second, plain, poison := changes[0].Trace, changes[1].Trace, changes[2].Trace, changes[3].Trace
		switch {
		case plain != nil:
			t.Errorf("what is not traced has %+v", plain)
		case given.Call != nil:
			t.Error("the trace that others may hold was changed")
		case a.Call == nil || a.Call != second.Call || a.TraceID != given.TraceID:
			t.Errorf("of one write: %+v and %+v", a, second)
		case a.Call.Changes != 2 || a.Call.Traced != 2 || a.Call.Began.IsZero() || a.Call.Ended.Before(a.Call.Began):
			t.Errorf("the write is %+v, want two changes, both traced", a.Call)
		case poison.Call == nil || poison.Call == a.Call || poison.Call.Changes != 1:
			t.Errorf("what was found to be refused was written with %+v", poison.Call)
		}

		// Two deliveries that wait at the same time are one write.
		release := make(chan struct{})
		sink.answer = func(context.Context, []string) error { <-release; return nil }
		one, other := traced("d"), traced("e")
		ends := make(chan error, 3)
		deliver := func(c *pipeline.Change) {
			ends <- b.Deliver(t.Context(), taken(t), c)
		}
		go deliver(change("first", 1))
		synctest.Wait()
		go deliver(one)
		go deliver(other)
		synctest.Wait()
		close(release)
		for range 3 {
			if err := <-ends; err != nil {
				t.Fatal(err)
			}
		}
		if one.Trace.Call == nil || one.Trace.Call != other.Trace.Call || one.Trace.Call.Changes != 2 {
			t.Errorf("written together: %+v and %+v", one.Trace.Call, other.Trace.Call)
		}
	})
}
