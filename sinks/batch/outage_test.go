package batch

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// An outage in the middle of a batch refuses nothing: what was accepted is not written
// again, and the rest waits as long as the destination asks, with what follows of its keys.
func TestAnOutageWithinABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := pipeline.Outage(pipeline.RetryAfter(errors.New("too many requests"), time.Minute))
		n := 0
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			if n++; n > 1 {
				return nil
			}
			return failing(batch, map[string]error{"b1": away, "c1": errors.New("conflict")})
		}}
		b, _ := start(t, sink, Options{ReconnectMin: time.Millisecond, ReconnectMax: time.Millisecond})
		told := make(chan map[string]string)
		go func() {
			told <- outcomeOf(t, b, change("a", 1), change("b", 1), change("c", 1), change("b", 2))
		}()
		time.Sleep(59 * time.Second)
		if s := b.Status(); s.Healthy || s.Waiting != 2 || s.LastError != "too many requests" {
			t.Errorf("status %+v, want an error and two that wait", s)
		}
		if diff := cmp.Diff(map[string]string{"a1": "", "b1": "", "c1": "conflict", "b2": ""}, <-told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{{"a1", "b1", "c1", "b2"}, {"b1", "b2"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

// A destination that fails in each batch after it has taken some is not given longer and
// longer pauses.
func TestProgressEndsTheGrowthOfPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			e := &pipeline.BatchError{Failed: map[int]error{}}
			for i := 1; i < len(batch); i++ {
				e.Failed[i] = pipeline.Outage(errors.New("away"))
			}
			if len(e.Failed) == 0 {
				return nil
			}
			return e
		}}
		b, _ := start(t, sink, Options{ReconnectMin: time.Second, ReconnectMax: time.Hour})
		var all []*pipeline.Change
		for i := range 30 {
			all = append(all, change(string(rune('a'+i)), 1))
		}
		begin := time.Now()
		if err := b.Deliver(t.Context(), taken(t), all...); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("30 changes took %v", took)
		}
	})
}
