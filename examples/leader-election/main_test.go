package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}

// TestTakesTurns: one of two processes leads. When it ends, the other one leads, in a
// higher term.
func TestTakesTurns(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	type process struct {
		stop func()
		led  chan uint64
		end  chan error
	}
	var leading atomic.Int32
	start := func() process {
		ctx, stop := context.WithCancel(ctx)
		p := process{stop: stop, led: make(chan uint64, 1), end: make(chan error, 1)}
		go func() {
			p.end <- run(ctx, hub.Config(), "lease:default/leader-election", ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}}, func(ctx context.Context, term uint64) error {
				if leading.Add(1) > 1 {
					t.Error("two lead at once")
				}
				defer leading.Add(-1)
				p.led <- term
				<-ctx.Done()
				return nil
			})
		}()
		return p
	}
	wait := func(p process) uint64 {
		t.Helper()
		select {
		case term := <-p.led:
			return term
		case err := <-p.end:
			t.Fatalf("it has ended: %v", err)
		case <-ctx.Done():
			t.Fatal("it does not lead")
		}
		return 0
	}
	end := func(p process) {
		t.Helper()
		p.stop()
		if err := <-p.end; err != nil {
			t.Error(err)
		}
	}
	first := start()
	before := wait(first)
	second := start()
	defer second.stop()
	end(first)
	if after := wait(second); before == 0 || after <= before {
		t.Errorf("term %d after term %d", after, before)
	}
	end(second)
}

func TestUnknownLock(t *testing.T) {
	if err := run(t.Context(), nil, "leese:a/b", ctrl.Options{}, nil); err == nil {
		t.Error("it runs without a lock")
	}
}
