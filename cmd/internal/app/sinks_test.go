package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// changingSink is a destination whose check and writes come to what they are told.
type changingSink struct {
	check, write error
	checked      atomic.Int32
}

func (s *changingSink) Check(context.Context) error                     { s.checked.Add(1); return s.check }
func (s *changingSink) Write(context.Context, []*pipeline.Change) error { return s.write }

// TestDestinationsAreCheckedAnew: settings change again and again, and the destination stays
// open. It is checked anew only if it has not been good yet or fails at the end, and the log
// is told of a caution that is another one.
func TestDestinationsAreCheckedAnew(t *testing.T) {
	down, weak, worse := errors.New("is down"), sinks.Caution(errors.New("is weak")), sinks.Caution(errors.New("is worse"))
	var cautions atomic.Int32
	log := funcr.New(func(_, text string) {
		if strings.Contains(text, "not as it should be") {
			cautions.Add(1)
		}
	}, funcr.Options{})
	to, spec := &changingSink{}, &sinks.Spec{Identity: "a", MaxBatch: 1}
	open := destinations{"a": {wanted: wanted{name: "a"}, to: to, log: log}}
	for i, step := range []struct {
		check, write error // write is tried if it is an error
		checks       bool
		cautions     int32 // so far
	}{
		{check: down, checks: true},
		{check: weak, checks: true, cautions: 1},
		{check: worse, cautions: 1},
		{check: worse, write: down, cautions: 1},
		{check: worse, checks: true, cautions: 2},
		{check: worse, write: down, cautions: 2},
		{check: worse, checks: true, cautions: 2},
		{check: worse, write: down, cautions: 2},
		{check: nil, write: down, checks: true, cautions: 2},
		{check: worse, checks: true, cautions: 3},
	} {
		to.check, to.write = step.check, step.write
		to.checked.Store(0)
		all := must((&program{}).newSinks(&settings{sinks: []*sinks.Spec{spec}}, open, prometheus.NewRegistry()))(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- all.run(ctx, nil, nil) }()
		if step.checks {
			awaitStatus(t, func() bool {
				return all[0].good.Load() || all[0].batcher.Status().Attempts > 0
			})
		}
		if step.write != nil {
			go func() {
				_ = all[0].batcher.Deliver(ctx, func(int, error) {}, &pipeline.Change{Key: pipeline.Key{Cluster: "c", Name: "n"}, Origin: &pipeline.Origin{}})
			}()
			awaitStatus(t, func() bool { return !all[0].batcher.Status().Healthy })
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		all[0].checks.Wait()
		if checks := to.checked.Load() > 0; checks != step.checks || cautions.Load() != step.cautions {
			t.Errorf("step %d: it is checked: %v, want %v; %d cautions, want %d", i+1, checks, step.checks, cautions.Load(), step.cautions)
		}
	}
}
