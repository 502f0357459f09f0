package locktest

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Backend is one record, and the ways to it.
type Backend struct {
	// Open returns a lock on the record for the process of that identity. Each
	// call returns another lock with a client of its own, which t's cleanup closes.
	Open func(t testing.TB, identity string) resourcelock.Interface
	// Delete deletes the record, as an operator would.
	Delete func(t testing.TB)
	// Process returns a command that calls Stand with a lock on the record of that
	// identity. nil: nobody is stopped and killed. A test program starts itself again,
	// and its TestMain finds that out by a variable of the environment.
	Process func(t testing.TB, identity string) *exec.Cmd
	// AtOnce is how many elections RunElection holds on records of this backend at a
	// time; while it stops and kills a process it holds no other. Leases last for a
	// second, so all of them need answers within a part of that: a backend of many
	// servers on one machine needs fewer elections. 0 is all, which are 47.
	AtOnce int

	slots slots // of AtOnce
}

// New returns a record that does not exist yet and that no other test uses.
type New func(t testing.TB) Backend

// rule is one rule of the suite. It stands on testing.TB so that the suite's own
// tests can see it fail.
type rule struct {
	name  string
	check func(testing.TB, Backend)
}

var rules = []rule{
	{"a missing record is NotFound", missing},
	{"Create makes the record once", createOnce},
	{"all of the record is kept", everythingIsKept},
	{"identities are kept byte for byte", identities},
	{"what Get returns is the caller's", recordIsTheCallers},
	{"Update replaces what was seen last", updateSeen},
	{"the holder updates without Get", updateWithoutGet},
	{"a stale Update is refused until Get", staleUntilGet},
	{"Update of nothing seen is refused", updateUnseen},
	{"one of many Creates wins", oneCreateWins},
	{"one of many Updates wins", oneUpdateWins},
	{"times keep their microseconds", microseconds},
	{"each renewal changes the bytes", bytesChange},
	{"the bytes change with the record only", bytesStay},
	{"nothing expires", nothingExpires},
	{"a deleted record stays deleted", deletedStays},
	{"a record that was made anew is another one", madeAnew},
	{"an ended context", endedContext},
	{"client-go's elector takes turns", electorTakesTurns},
	{"each term has a higher token", tokensGrow},
	{"tokens grow over the record's deletion", tokensOutliveTheRecord},
	{"a renewal keeps the token", renewalsKeepTheToken},
}

// Run runs the suite, one subtest for each rule. It takes about four seconds of
// waiting, since what expires can only be waited for.
func Run(t *testing.T, backend New) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.check(t, backend(t)) })
	}
}

// patience is how long a call may take that must return.
const patience = time.Minute

// instant is a time with microseconds, in no zone of the machine's.
var instant = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

// held returns a record that identity holds since instant.
func held(identity string) resourcelock.LeaderElectionRecord {
	return resourcelock.LeaderElectionRecord{
		HolderIdentity: identity, LeaseDurationSeconds: 15,
		AcquireTime: metav1.NewTime(instant), RenewTime: metav1.NewTime(instant),
	}
}

// renewed returns a record as its holder writes it d later.
func renewed(r resourcelock.LeaderElectionRecord, d time.Duration) resourcelock.LeaderElectionRecord {
	r.RenewTime = metav1.NewTime(r.RenewTime.Add(d))
	return r
}

func create(t testing.TB, l resourcelock.Interface, r resourcelock.LeaderElectionRecord) {
	t.Helper()
	err := patiently(t, func() error { return l.Create(t.Context(), r) }, func() bool { return stored(t, l, r) })
	if err != nil {
		t.Fatalf("Create by %q: %v", l.Identity(), err)
	}
}

func update(t testing.TB, l resourcelock.Interface, r resourcelock.LeaderElectionRecord) {
	t.Helper()
	err := patiently(t, func() error { return l.Update(t.Context(), r) }, func() bool { return stored(t, l, r) })
	if err != nil {
		t.Fatalf("Update by %q: %v", l.Identity(), err)
	}
}

// get returns the record and its bytes, which the elector compares.
func get(t testing.TB, l resourcelock.Interface) (*resourcelock.LeaderElectionRecord, string) {
	t.Helper()
	var r *resourcelock.LeaderElectionRecord
	var raw []byte
	err := patiently(t, func() (err error) {
		r, raw, err = l.Get(t.Context())
		return err
	}, nil)
	if err != nil {
		t.Fatalf("Get by %q: %v", l.Identity(), err)
	}
	if r == nil {
		t.Fatalf("Get by %q: no record and no error", l.Identity())
	}
	return r, string(raw)
}

// holds checks that each of the locks gets this record.
func holds(t testing.TB, want resourcelock.LeaderElectionRecord, locks ...resourcelock.Interface) {
	t.Helper()
	for _, l := range locks {
		got, _ := get(t, l)
		if diff := difference(*got, want); diff != "" {
			t.Errorf("%q gets another record than was written: %s", l.Identity(), diff)
		}
	}
}

// outcome says in a word what the elector takes an error for.
func outcome(err error) string {
	switch {
	case err == nil:
		return "success"
	case apierrors.IsNotFound(err):
		return "NotFound"
	case apierrors.IsAlreadyExists(err):
		return "AlreadyExists"
	case apierrors.IsConflict(err):
		return "Conflict"
	}
	return "another error"
}

// refused checks what a call was refused as.
func refused(t testing.TB, what string, err error, want ...string) {
	t.Helper()
	got := outcome(err)
	for _, w := range want {
		if got == w {
			return
		}
	}
	t.Errorf("%s: %s (%v), want %s", what, got, err, strings.Join(want, " or "))
}

// inTime calls f, and fails the test if it does not return.
func inTime(t testing.TB, what string, f func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- f() }()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case err := <-ended:
		return err
	case <-limit.C:
		t.Fatalf("%s has not returned %v after its context had ended", what, patience)
		return nil
	}
}
