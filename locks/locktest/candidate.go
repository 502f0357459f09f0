package locktest

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/election"
)

// The timing of elections here. The shortest lease is a second, since records have
// whole ones.
const (
	leaseDuration = time.Second
	renewDeadline = 700 * time.Millisecond
	retryPeriod   = 150 * time.Millisecond
)

var timing = election.Timing{LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod}

// candidate is a process that takes part in elections with client-go's elector, and
// ends without a word.
type candidate struct {
	*observed
	led   chan struct{} // closed when it leads
	ended chan struct{} // closed when it has ended
	stop  context.CancelFunc
}

// stand starts a candidate, which ends with the test if not before.
func stand(t testing.TB, l resourcelock.Interface) (*candidate, error) {
	c := &candidate{observed: observe(l), led: make(chan struct{}), ended: make(chan struct{})}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: c.observed, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(c.led) },
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(logr.NewContext(t.Context(), logr.Discard()))
	c.stop = stop
	go func() {
		defer close(c.ended)
		elector.Run(ctx)
	}()
	return c, nil
}

// connect has a lock asked once, with more time than the calls of an election have
// here: to log in to a database may take longer than these.
func connect(ctx context.Context, l resourcelock.Interface) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, _, _ = l.Get(ctx) // the election tells what is wrong
}

// silence ends a candidate as kill -9 does: it does not release the record.
func (c *candidate) silence() {
	c.stop()
	<-c.ended
}

// awaitLead returns whether the candidate leads within patience, or has led.
func (c *candidate) awaitLead() bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-c.led:
	case <-c.ended:
	case <-limit.C:
	}
	select {
	case <-c.led: // and, on a slow machine, has lost the record since
		return true
	default:
		return false
	}
}

// awaitRenewals waits until the candidate has renewed the record n times, or ends
// because it could not in time.
func (c *candidate) awaitRenewals(n int) {
	for {
		_, _, renewals, next := c.state()
		if renewals >= n {
			return
		}
		select {
		case <-next:
		case <-c.ended:
			return
		}
	}
}
