package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// job is an object that comes and goes, and whose name never comes back.
func job(t *testing.T, c *Cursor, i int) {
	t.Helper()
	n := Name{"ns", fmt.Sprintf("job-%07d-abcde", i)}
	deliver(t, c, n, at(uuid(i), 10*i), false, false)
	c.Seen(fmt.Sprint(10 * i))
	deliver(t, c, n, at(uuid(i), 10*i+1), true, false)
	c.Seen(fmt.Sprint(10*i + 1))
}

// TestAChangeThatIsNeverAccepted: neither memory nor store grow with every object
// that is created and deleted meanwhile.
func TestAChangeThatIsNeverAccepted(t *testing.T) {
	c := newCursor(StreamID{Resource: "pods"}, nil)
	c.BeginSnapshot()
	endSnapshot(c, "1")
	c.Seen("1")
	poison, v := Name{"ns", "poison"}, at(uid1, 2)
	sequence, _ := c.observe(poison, v, false, false)
	c.Seen("2")
	before := heap()
	for i := 1; i <= 50_000; i++ {
		job(t, c, i)
		if n := len(c.deleted); n > remembersAtLeast+1 {
			t.Fatalf("%d deletions are remembered, and 0 objects known", n)
		}
	}
	if more := heap() - before; more > 2<<20 {
		t.Errorf("the heap has grown by %d KiB", more>>10)
	}
	if start, ok := c.Start(); start != "500001" || !ok || c.ResumePoint() != "" {
		t.Errorf("the process watches on from %q, %v; resume point %q", start, ok, c.ResumePoint())
	}
	// Once it is accepted after all, there is a resume point again without a snapshot:
	// the watch has left nothing out.
	c.begin(sequence, poison, v, false)
	c.Ack(sequence, poison, v, false)
	if got := c.ResumePoint(); got != "500001" || len(c.deleted) > 0 || c.usage.Objects != 1 {
		t.Errorf("resume point %q, %d deletions, %+v", got, len(c.deleted), c.usage)
	}
	if got := c.cluster.givenUp[GivenUp{"pods", tooManyDeletions}]; got != 1 {
		t.Errorf("%d resume points were given up, want 1", got)
	}
}

// TestNoResumePointBehindWhatIsForgotten: what was observed before the resume point
// is given up has none before it, and what was accepted before it was Seen is
// remembered.
func TestNoResumePointBehindWhatIsForgotten(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	c.remembers = 2
	c.BeginSnapshot()
	endSnapshot(c, "1")
	c.Seen("1")
	first, _ := c.observe(pod(1), at(uid1, 2), false, false)
	c.Seen("2")
	job(t, c, 1)
	second, _ := c.observe(pod(2), at(uid2, 15), false, false)
	c.Seen("15")
	job(t, c, 2)
	deliver(t, c, Name{"ns", "early"}, at(uuid(7), 25), false, false)
	c.Seen("25")
	deliver(t, c, Name{"ns", "early"}, at(uuid(7), 26), true, false) // the third deletion, not Seen yet
	if len(c.deleted) != 1 {
		t.Fatalf("remembered: %v", c.deleted)
	}
	if _, verdict := c.observe(Name{"ns", "early"}, at(uuid(7), 26), true, false); verdict != Stale {
		t.Errorf("a watch from the last frame shows the deletion again: verdict %v", verdict)
	}
	c.Seen("26")
	third, _ := c.observe(pod(3), at(uuid(3), 30), false, false)
	c.Seen("30")
	c.begin(first, pod(1), at(uid1, 2), false)
	c.Ack(first, pod(1), at(uid1, 2), false)
	if got := c.ResumePoint(); got != "" {
		t.Errorf("resume point %q: a watch from there would show what is forgotten", got)
	}
	c.begin(second, pod(2), at(uid2, 15), false)
	c.Ack(second, pod(2), at(uid2, 15), false)
	if got := c.ResumePoint(); got != "26" {
		t.Errorf("resume point %q, want 26: all that there was then is accepted", got)
	}
	c.begin(third, pod(3), at(uuid(3), 30), false)
	c.Ack(third, pod(3), at(uuid(3), 30), false)
	if got := c.ResumePoint(); got != "30" || len(c.deleted) != 0 {
		t.Errorf("resume point %q, remembered %v", got, c.deleted)
	}
}

// TestGivenUpResumePointIsStoredFirst: nothing is forgotten that the stored one
// needs; it is said once; and a restart finds everything out from a snapshot.
func TestGivenUpResumePointIsStoredFirst(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		c.remembers = 10
		time.Sleep(2 * time.Second)
		sequence, _ := c.observe(pod(0), at(uuid(0), 11), false, false)
		c.Seen("11")
		c.begin(sequence, pod(0), at(uuid(0), 11), false)
		for i := 2; i < 20; i++ {
			job(t, c, i)
		}
		if again := r.restart(); again.ResumePoint() != "10" || len(c.deleted) != 18 {
			t.Errorf("the store has resume point %q, and %d deletions are remembered", again.ResumePoint(), len(c.deleted))
		}
		r.store.fail(errPoison)
		time.Sleep(time.Minute)
		if len(c.deleted) != 18 {
			t.Errorf("%d deletions are remembered of 18 that the stored resume point needs", len(c.deleted))
		}
		r.store.fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		again := r.restart()
		const since = 8 // deletions, after it was given up with the eleventh
		if _, ok := again.Start(); ok || len(c.deleted) != since || len(again.deleted) != since {
			t.Errorf("a watch may start: %v; %d deletions are remembered, %d in the store", ok, len(c.deleted), len(again.deleted))
		}
		for i := 20; i < 100; i++ {
			job(t, c, i)
		}
		time.Sleep(time.Minute)
		said := 0
		for _, line := range *r.logs {
			if strings.Contains(line, "given up") {
				said++
			}
		}
		if said != 1 {
			t.Errorf("it is said %d times:\n%s", said, strings.Join(*r.logs, "\n"))
		}
		again.BeginSnapshot()
		if gone := endSnapshot(again, "2000"); len(gone) != 1 || gone[0].Version.UID != uuid(0) {
			t.Errorf("tombstones %+v, want that of the change that was handed over", gone)
		}
		const want = `
# HELP fairlead_ledger_resume_points_given_up_total Resume points that were given up, by reason: deletions (too many had to be remembered). A restart then takes a snapshot.
# TYPE fairlead_ledger_resume_points_given_up_total counter
fairlead_ledger_resume_points_given_up_total{cluster="a",reason="deletions",resource="pods"} 1
`
		if err := testutil.CollectAndCompare(NewClusterCollector(r.ledger.Clusters), strings.NewReader(want), "fairlead_ledger_resume_points_given_up_total"); err != nil {
			t.Error(err)
		}
	})
}

// TestVersionsOfAnUndoneHistoryForgetNothing: after a backup was restored, deletions
// have lower versions than what was accepted, or given up, before. They are needed
// all the same.
func TestVersionsOfAnUndoneHistoryForgetNothing(t *testing.T) {
	for _, givenUp := range []bool{false, true} {
		c := newCursor(StreamID{}, nil)
		c.remembers = 2
		c.BeginSnapshot()
		endSnapshot(c, "1")
		c.Seen("1")
		if !givenUp {
			c.Seen("100")
		}
		c.observe(pod(0), at(uuid(0), 102), false, false)
		c.Seen("102")
		if givenUp {
			for i := 11; i < 14; i++ {
				job(t, c, i)
			}
		}
		c.BeginSnapshot()
		listed, _ := c.observe(pod(0), at(uuid(0), 45), false, true)
		endSnapshot(c, "50")
		c.Seen("50")
		c.observe(pod(1), at(uuid(1), 53), false, false) // its frame follows 50
		c.Seen("53")
		deliver(t, c, pod(2), at(uuid(2), 55), false, false)
		c.Seen("55")
		deliver(t, c, pod(2), at(uuid(2), 60), true, false)
		c.Seen("60")
		c.begin(listed, pod(0), at(uuid(0), 45), false)
		c.Ack(listed, pod(0), at(uuid(0), 45), false)
		c.Rewind()
		if start, ok := c.Start(); !ok || start != "50" {
			t.Fatalf("a restart watches from %q, %v, want 50", start, ok)
		}
		if _, verdict := c.observe(pod(2), at(uuid(2), 55), false, false); verdict != Stale {
			t.Errorf("what was deleted is revived (given up before: %v)", givenUp)
		}
	}
}

// Where a resume point was given up says nothing of the history of a restored backup, also
// once the store has what there is then.
func TestWhereItWasGivenUpIsOfOneHistory(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	c.remembers = 2
	c.BeginSnapshot()
	endSnapshot(c, "1")
	c.Seen("1")
	c.observe(pod(0), at(uuid(0), 102), false, false) // and never accepted
	c.Seen("102")
	for i := 11; i < 14; i++ {
		s.hand(c, i, at(uuid(i), 10*i), false, false)
		s.hand(c, i, at(uuid(i), 10*i+1), true, false)
		c.Seen(fmt.Sprint(10*i + 1))
	}
	if s.commit(true); c.ResumePoint() != "" {
		t.Fatalf("resume point %q", c.ResumePoint())
	}
	c.BeginSnapshot()
	listed, _ := c.observe(pod(0), at(uuid(0), 45), false, true)
	endSnapshot(c, "50")
	c.Seen("50")
	s.commit(true)
	c.observe(pod(1), at(uuid(1), 53), false, false) // its frame follows 50
	c.Seen("53")
	s.hand(c, 2, at(uuid(2), 55), false, false)
	s.hand(c, 2, at(uuid(2), 60), true, false)
	c.Seen("60")
	s.commit(true)
	c.begin(listed, pod(0), at(uuid(0), 45), false)
	c.Ack(listed, pod(0), at(uuid(0), 45), false)
	c.Rewind()
	if start, ok := c.Start(); !ok || start != "50" {
		t.Fatalf("a restart watches from %q, %v, want 50", start, ok)
	}
	if _, verdict := c.observe(pod(2), at(uuid(2), 55), false, false); verdict != Stale {
		t.Errorf("what was deleted is revived: verdict %v", verdict)
	}
}

// A replay is asked for while a watch shows again what the owner before has handed over.
// Until the snapshot begins, that watch tells nothing that a deletion has ended; and what it
// has come past is forgotten, as is all that a retired cursor is told.
func TestAReplayForgetsNoDeletionThatAWatchShowsAgain(t *testing.T) {
	for name, then := range map[string]func(c *Cursor){
		"the watch goes on":    func(c *Cursor) { c.Seen("30") },
		"the snapshot begins":  func(c *Cursor) { c.BeginSnapshot() },
		"all of it is retired": func(c *Cursor) { c.Retire()(func(Tombstone) bool { return true }) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			before := s.reach()
			s.fill(before)
			gone, _ := before.observe(pod(2), at(uuid(2), 30), true, false)
			before.begin(gone, pod(2), at(uuid(2), 30), true)
			c, _ := s.claim("uid", "digest")
			before.Ack(gone, pod(2), at(uuid(2), 30), true)
			c.RaiseDue()
			s.commit(true)
			if _, got := c.observe(pod(2), at(uuid(2), 25), false, false); got != Stale {
				t.Errorf("what came before the deletion: verdict %v", got)
			}
			then(c)
			if s.commit(true); len(c.deleted) != 0 {
				t.Errorf("%d deletions are remembered", len(c.deleted))
			}
		})
	}
}

// A resume point is given up while the transaction is under way that stores the first one: what
// a watch from there shows again is not forgotten before the store knows that there is none.
func TestAResumePointIsGivenUpWhileItIsStored(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	c.remembers = 1
	c.observe(pod(1), at(uid3, 21), false, false) // holds the resume point
	for i := 3; i < 5; i++ {
		s.hand(c, i, at(uuid(i), 20+i), false, false)
		s.hand(c, i, at(uuid(i), 30+i), true, false)
		c.Seen("40")
	}
	o := c.Observe(pod(2), at(uuid(2), 41), true, false, nil)
	c.begin(o.Sequence, pod(2), at(uuid(2), 41), true)
	s.store.around = func(apply func() error) error {
		err := apply()
		c.Ack(o.Sequence, pod(2), at(uuid(2), 41), true)
		return err
	}
	s.commit(true)
	s.store.around = nil
	next, _ := c.observe(pod(6), at(uuid(6), 42), false, false)
	c.begin(next, pod(6), at(uuid(6), 42), false)
	s.commit(false) // of the intent, and of records that are behind
	c = s.reach()
	if start, ok := c.Start(); ok {
		if _, got := c.observe(pod(3), at(uuid(3), 23), false, false); got != Stale {
			t.Errorf("a watch from %s shows what was deleted: verdict %v", start, got)
		}
	}
}

// Who tells of a deletion may be a worker of an owner before: a watch of the present one is not to
// show the sink again what came before.
func TestAGhostOfAnOwnerBefore(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	s.hand(c, 1, at(uid3, 25), false, false)
	another := uuid(7)
	c.observe(pod(1), at(another, 30), false, false)
	gone, _ := c.observe(pod(1), at(another, 31), true, false)
	c.begin(gone, pod(1), at(another, 31), true)
	s.commit(true)
	present, _ := s.claim("uid", "digest")
	c.AckGhost(pod(1), uid3)
	s.commit(true)
	if _, got := present.observe(pod(1), at(uid3, 24), false, false); got != Stale {
		t.Errorf("what came before the deletion: verdict %v", got)
	}
	if _, got := s.reach().observe(pod(1), at(uid3, 25), false, false); got != Stale {
		t.Errorf("after a kill: verdict %v", got)
	}
}

// A server is restored, and its snapshot ends before versions that a stored resume point has passed:
// deletions of the new history are kept, as the watch goes on from that snapshot.
func TestDeletionsBehindARestoredBackup(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	c.BeginSnapshot()
	s.hand(c, 0, at(uuid(0), 60), false, true)
	endSnapshot(c, "100")
	c.Seen("100")
	s.commit(true)
	c.BeginSnapshot()
	s.hand(c, 0, at(uuid(0), 45), false, true)
	endSnapshot(c, "50")
	c.Seen("50")
	c.observe(pod(1), at(uuid(1), 53), false, false) // holds the resume point at 50
	c.Seen("53")
	s.hand(c, 2, at(uuid(2), 55), false, false)
	c.Seen("55")
	s.hand(c, 2, at(uuid(2), 60), true, false)
	c.Seen("60")
	s.commit(true)
	c = s.reach() // killed
	if start, _ := c.Start(); start != "50" {
		t.Fatalf("the watch starts at %q", start)
	}
	if _, got := c.observe(pod(2), at(uuid(2), 55), false, false); got != Stale {
		t.Errorf("what came before a deletion: verdict %v", got)
	}
}

// Deletions that a replay keeps for the watch are not kept once no watch goes on.
func TestAReplayOfWhoLeavesForgetsDeletions(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	s.hand(c, 2, at(uuid(2), 25), false, false)
	c.RaiseDue()
	s.hand(c, 2, at(uuid(2), 30), true, false)
	s.commit(true)
	if len(c.deleted) == 0 {
		t.Fatal("nothing is remembered for the watch")
	}
	c, _ = s.claim("uid", "digest")
	if s.commit(true); len(c.deleted) != 0 {
		t.Errorf("%d deletions are remembered", len(c.deleted))
	}
}
