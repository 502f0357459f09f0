package locktest

import (
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// busy is after how long a call that fails, while the backend is well, is taken to have met
// a machine that is busy. Locks give up after some seconds. What fails earlier is a fault.
const busy = time.Second

// gaveUp reports whether a call gave up on a machine that is busy: then it says nothing
// of the lock.
func gaveUp(began time.Time, err error) bool {
	return outcome(err) == "another error" && time.Since(began) >= busy
}

// patiently makes a call until it does not give up. look, unless it is nil, reports
// whether one that gave up has succeeded all the same, as it may have later, too: then the
// next one is refused.
func patiently(t testing.TB, call func() error, look func() bool) error {
	t.Helper()
	again := false
	for limit := time.Now().Add(patience); ; {
		began := time.Now()
		err := call()
		over := !gaveUp(began, err) || began.After(limit)
		again = again || !over
		if err != nil && again && look != nil && look() {
			return nil
		}
		if over {
			return err
		}
		t.Logf("called again on a machine that is busy: %v", err)
	}
}

// stored reports whether the record is this one, for a write of which that is not known.
func stored(t testing.TB, l resourcelock.Interface, want resourcelock.LeaderElectionRecord) bool {
	t.Helper()
	var got *resourcelock.LeaderElectionRecord
	err := patiently(t, func() (err error) {
		got, _, err = l.Get(t.Context())
		return err
	}, nil)
	return err == nil && got != nil && difference(*got, want) == ""
}
