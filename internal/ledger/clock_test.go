package ledger

import (
	"testing"
	"testing/synctest"
	"time"
)

// A machine boots with its clock in 1970, or far ahead, and sets it: before the ledger is
// opened, or after what nobody follows was noted. What nobody follows is kept for as long
// as processes run, whatever the clock says; a process that is killed loses of that what
// it has not stored.
func TestAClockThatSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStored(t)
		c := s.in("", "")
		s.tell(c, objectsIn("a"))
		look := func(runs time.Duration, due bool) {
			t.Helper()
			s.ledger.Watched("a", among(nil), nil)
			time.Sleep(runs)
			if got := len(s.ledger.Unwatched("a", time.Now())) > 0; got != due {
				t.Errorf("due: %t after another %v", got, runs)
			}
			s.stop()
			time.Sleep(50 * 365 * 24 * time.Hour) // the clock is set, and no process runs
			s.open()
		}
		look(20*time.Minute, false)
		look(20*time.Minute, false)
		look(19*time.Minute, false)
		s.ledger.look(time.Now().Add(30 * time.Second))
		s.commit(true)
		s.open() // killed
		look(20*time.Second, false)
		look(10*time.Second, true)
	})
}
