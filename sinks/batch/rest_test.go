package batch

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// What is pending when a write ends has the next delivery wait for the write that begins then.
// Where none begins, as what was pending was refused with the write or has been taken back, the
// next delivery is taken at once.
func TestNoDeliveryWaitsForAWriteThatDoesNotBegin(t *testing.T) {
	const took = 10 * time.Second
	for name, last := range map[string]error{
		"refused with the write": &pipeline.BatchError{Failed: map[int]error{0: errors.New("conflict")}},
		"taken back":             errors.New("down"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var answer error
				sink := &fakeSink{answer: func(context.Context, []string) error {
					time.Sleep(took)
					return answer
				}}
				b, _ := start(t, sink, Options{MaxBatch: 1})
				var pace pipeline.Pace
				b.Pace(func(p pipeline.Pace) { pace = p })
				for range 8 { // it learns what a write takes
					outcomeOf(t, b, change("a", 1))
				}
				answer = last
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- b.Deliver(ctx, func(int, error) {}, change("a", 2), change("a", 3)) }()
				time.Sleep(took + 1)
				synctest.Wait()
				cancel()
				synctest.Wait()
				if err := <-done; name == "taken back" && !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				if len(b.pending) > 0 || len(b.underWay) > 0 {
					t.Fatalf("%d pending, %d writes under way", len(b.pending), len(b.underWay))
				}
				if wait := time.Until(pace.After); wait > 0 {
					t.Errorf("the next delivery waits for %v", wait)
				}
			})
		})
	}
}
