package locktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// leadOnce takes part in an election until the process of l leads, and gives up
// then. It returns the token of its term.
func leadOnce(t testing.TB, l resourcelock.Interface) (token int, err error) {
	t.Helper()
	ctx, stop := context.WithTimeout(logr.NewContext(t.Context(), logr.Discard()), patience)
	defer stop()
	led := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 10 * time.Millisecond,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(led) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		elector.Run(ctx)
	}()
	select {
	case <-led:
	case <-ended:
		return 0, errors.New("it has not led, and nobody else holds the record")
	}
	// A lock is for one goroutine: look when the elector has let go of it.
	stop()
	<-ended
	r, _ := get(t, l)
	if r.HolderIdentity != "" {
		t.Errorf("%q has given up, and %s holds the record", l.Identity(), shown(r.HolderIdentity))
	}
	return r.LeaderTransitions, nil
}
