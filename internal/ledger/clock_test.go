package ledger

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// away are the ways in which what a cursor is kept for may be missing. Each is noted in
// every process anew.
var away = map[string]func(s *stored){
	"a cluster that left":    func(s *stored) { s.open() },
	"what nobody follows":    func(s *stored) { s.openFor("r"); s.ledger.Watched("a", among(nil), nil) },
	"a sink that is removed": func(s *stored) { s.openFor("other") },
}

// A machine boots with its clock in 1970, or far ahead, and sets it: before the ledger is
// opened, or after what is missing was noted. It is kept for as long as processes run,
// whatever the clock says; a process that is killed loses of that what it has not stored.
func TestAClockThatSteps(t *testing.T) {
	for name, begin := range away {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStored(t)
				c := s.in("", "")
				s.tell(c, objectsIn("a"))
				s.ledger.Leave("a")
				s.stop()
				due := func() bool {
					s.ledger.look(time.Now())
					return len(s.ledger.Unwatched("a", time.Now())) > 0 || len(s.ledger.all()) == 0
				}
				run := func(runs time.Duration, want bool, end func()) {
					t.Helper()
					begin(s)
					s.ledger.retention = time.Hour
					s.ledger.look(time.Now())
					if time.Sleep(runs); due() != want {
						t.Errorf("due: %t after another %v", !want, runs)
					}
					end()
					time.Sleep(20 * 365 * 24 * time.Hour) // the clock is set, and no process runs
				}
				killed := func() {}
				run(20*time.Minute, false, s.stop)
				run(20*time.Minute, false, s.stop)
				run(30*time.Minute, true, killed)
				run(30*time.Minute, true, killed)
				run(19*time.Minute, false, s.stop)
				run(30*time.Second, false, func() { s.commit(true) }) // killed, but it has looked before
				run(20*time.Second, false, s.stop)
				run(10*time.Second, true, s.stop)
			})
		})
	}
}

// What is there again in between is kept for the whole retention.
func TestRetentionBeginsAnew(t *testing.T) {
	for name, begin := range away {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStored(t)
				s.tell(s.in("", ""), objectsIn("a"))
				s.ledger.Leave("a")
				for range 3 {
					s.stop()
					begin(s)
					s.ledger.retention = time.Hour
					s.ledger.look(time.Now())
					time.Sleep(40 * time.Minute)
					if s.ledger.look(time.Now()); len(s.ledger.Unwatched("a", time.Now())) > 0 || len(s.ledger.all()) == 0 {
						t.Fatal("due before its time")
					}
					s.stop()
					s.openFor("r")
					s.in("", "") // followed again
					s.ledger.look(time.Now())
				}
			})
		})
	}
}

// A head of a version that counted by the wall clock: what is missing is counted from the
// start of the first process that counts otherwise.
func TestRetentionOfAnEarlierVersion(t *testing.T) {
	for _, name := range []string{"a cluster that left", "a sink that is removed"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStored(t)
				c := s.in("", "")
				s.tell(c, objectsIn("a"))
				long := time.Now().Add(-1000 * time.Hour)
				c.head.Left, c.head.RouteGone, c.headDirty = long, long, true
				s.commit(true)
				away[name](s)
				s.ledger.retention = time.Hour
				time.Sleep(59 * time.Minute)
				if s.ledger.look(time.Now()); len(s.ledger.all()) != 1 {
					t.Error("dropped before its time")
				}
				time.Sleep(time.Minute)
				if s.ledger.look(time.Now()); len(s.ledger.all()) != 0 {
					t.Error("kept beyond its time")
				}
			})
		})
	}
}
