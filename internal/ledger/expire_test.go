package ledger

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestRetentionAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStored(t)
		c, _ := s.claim("uid", "")
		s.ledger.Join("a")
		s.fill(c)
		s.commit(true)
		restart := func(runs time.Duration) (kept bool) {
			s.open()
			time.Sleep(runs)
			s.ledger.expire(time.Now()) // as after an hour
			_, kept = s.ledger.cursors[c.ID()]
			s.stop()
			time.Sleep(30 * 24 * time.Hour) // no process runs
			s.open()
			return kept
		}
		if !restart(30*24*time.Hour) || !restart(59*time.Minute) {
			t.Fatal("dropped although its cluster never left: nothing ran that could have known")
		}
		s.ledger.Join("a")
		s.commit(true)
		s.ledger.Leave("a")
		s.commit(true)
		if !restart(50*time.Minute) || !restart(9*time.Minute) {
			t.Fatal("dropped before its time")
		}
		if restart(time.Minute) {
			t.Error("kept beyond its time")
		}
		if s.store.cursors() != 0 {
			t.Error("still in the store")
		}
		// Present in the file, but not in the fleet that this process knows.
		c, _ = s.claim("uid", "")
		s.fill(c)
		s.ledger.Join("a")
		s.commit(true)
		s.open()
		s.commit(true) // killed before anything joined
		if !restart(30 * 24 * time.Hour) {
			t.Fatal("dropped because a process ended before its cluster could join")
		}
		s.ledger.look(time.Now()) // it has lived for long
		s.commit(true)
		if s.logs = nil; restart(time.Hour) {
			t.Error("kept although no process has seen its cluster for the retention time")
		}
		if len(s.logs) != 1 || !strings.Contains(s.logs[0], `"cluster"="a" "clusterUID"="uid" "resource"="pods"`) {
			t.Errorf("log: %q, want what is forgotten", s.logs)
		}
	})
}

// A ledger that runs drops what has expired without anybody joining or leaving.
func TestRunDropsWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: time.Millisecond})
		r.snapshotted()
		time.Sleep(2 * time.Second)
		r.ledger.Leave("a")
		time.Sleep(DefaultRetention - time.Minute)
		if n := len(r.ledger.all()); n != 1 {
			t.Errorf("%d cursors before the retention time is over", n)
		}
		time.Sleep(2 * time.Hour)
		if n := len(r.ledger.all()); n != 0 {
			t.Errorf("%d cursors after it", n)
		}
		if err := r.stop(); err != nil || r.store.cursors() != 0 {
			t.Errorf("%v; %d cursors stored", err, r.store.cursors())
		}
	})
}

// A cluster that leaves while no process runs is forgotten too: a process that
// lives for a while notes that it is missing.
func TestRunNotesWhoIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: time.Millisecond})
		r.snapshotted()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		// run is a process of that life, in which the cluster joins after a while.
		run := func(life, joins time.Duration) (known int) {
			time.Sleep(2 * DefaultRetention)
			l, err := Open(t.Context(), Options{Store: r.store.memStore, Retention: 4 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), life)
			defer cancel()
			defer time.AfterFunc(joins, func() { l.Join("a") }).Stop()
			if err := l.Run(ctx); err != nil {
				t.Fatal(err)
			}
			return len(l.all())
		}
		never := 1000 * time.Hour
		for i, test := range []struct{ life, joins time.Duration }{
			{time.Minute, never}, {2 * time.Hour, time.Minute}, {3 * time.Hour, 2 * time.Hour}, {150 * time.Minute, never},
		} {
			if run(test.life, test.joins) != 1 {
				t.Fatalf("dropped before process %d", i)
			}
		}
		if run(150*time.Minute, never) != 0 {
			t.Error("kept although processes have missed its cluster for the retention time")
		}
	})
}

// A machine that boots with its clock ahead sets it soon. What had left the fleet
// before is not forgotten by then, and not at all if it is back.
func TestAClockThatIsAheadAtBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: time.Millisecond})
		r.snapshotted()
		r.ledger.Leave("a")
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * DefaultRetention) // on that clock
		l, err := Open(t.Context(), Options{Store: r.store.memStore})
		if err != nil {
			t.Fatal(err)
		}
		l.Join("b")
		l.Leave("b")
		ctx, cancel := context.WithTimeout(t.Context(), expireInterval-time.Minute)
		defer cancel()
		if err := l.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(l.all()); n != 1 {
			t.Errorf("%d cursors after an hour, want that of the cluster that had left", n)
		}
	})
}

// Between the look at a cursor, which has expired, and its end its cluster may
// join again: the new cursor is not the one that has expired.
func TestExpiryTakesNoOthersCursor(t *testing.T) {
	s := newStored(t)
	old, _ := s.claim("uid", "")
	s.ledger.Drop(old.ID())
	c, _ := s.claim("uid", "")
	s.ledger.drop(old)
	if all := s.ledger.all(); len(all) != 1 || all[0].cursor != c.cursor {
		t.Errorf("%d cursors are left, want the new one", len(all))
	}
}

// A cursor takes the place of another while a transaction is put together: the
// store never holds both, nor what is left of the old one.
func TestReplacedWhileTaken(t *testing.T) {
	for name, cluster := range map[string]string{"before the cursors are taken": "", "after": "other", "meanwhile": "a"} {
		t.Run(name, func(t *testing.T) {
			s := newStored(t)
			old, _ := s.claim("uid", "")
			s.commit(true)
			s.hand(old, 1, at(uid3, 30), false, false)
			replace := func() {
				s.ledger.Drop(old.ID())
				s.claim("uid", "")
			}
			if cluster == "" {
				replace()
				s.commit(true)
			} else {
				s.whileTaken(cluster, replace)
				s.reopened() // fails if there are two
				s.commit(true)
			}
			s.open() // fails if there are two
			s.commit(true)
			c, _ := s.claim("uid", "")
			if known := c.Stats().Known; known > 0 {
				t.Errorf("the new cursor knows %d objects of the old one", known)
			}
		})
	}
}
