package lease_test

import (
	"context"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// A manager leads by the lock, and the next one once it has let go of the Lease.
func TestManagersLeadByTheLock(t *testing.T) {
	hub := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	for _, identity := range []string{"first", "second"} {
		mgr, err := newManager(hub.Config(), identity, manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logr.Discard()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := mgr.Start(ctx); err != nil {
				t.Errorf("manager %s: %v", identity, err)
			}
			cancel() // one that has failed never leads
		})
		select {
		case <-mgr.Elected():
		case <-ctx.Done():
		}
		cancel()
		wg.Wait()
		mgr.GetHTTPClient().CloseIdleConnections()
	}
}
