package ledger

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// refuseCursors has the store not take what some cursors have.
func (r *running) refuseCursors(refused ...*Cursor) {
	r.store.refuseIf(func(updates []Update) bool {
		return slices.ContainsFunc(updates, func(u Update) bool {
			return slices.ContainsFunc(refused, func(c *Cursor) bool { return c.key == u.Cursor })
		})
	})
}

// flushes is Flush, which must return within the time that is given.
func (r *running) flushes(within time.Duration, cluster string) error {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	return r.ledger.Flush(ctx, cluster)
}

// TestFlush: what was acked, and the resume point that follows, is stored when it
// returns, not only at the next interval.
func TestFlush(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		other := r.claim("other")
		time.Sleep(1100 * time.Millisecond)
		for i := range 100 {
			deliver(t, c, pod(i), at20(i), false, false)
			c.Seen(at20(i).ResourceVersion)
		}
		deliver(t, c, pod(0), at20(200), true, false)
		c.Seen("220")
		deliver(t, other, pod(1), at20(1), false, false)
		other.Seen("21")
		began := time.Now()
		if err := r.flushes(900*time.Millisecond, "a"); err != nil {
			t.Fatal(err)
		}
		if again := r.restart(); again.ResumePoint() != "220" || again.Stats().Known != 99 {
			t.Errorf("stored: resume point %q, %+v", again.ResumePoint(), again.Stats())
		}
		if again, _ := r.reopen().claimAs(other.ID(), "digest"); again.ResumePoint() != "10" {
			t.Errorf("all of another cluster is stored as well: resume point %q", again.ResumePoint())
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if err := r.flushes(100*time.Millisecond, "a"); err != nil { // what the resume point has passed is forgotten
			t.Fatal(err)
		}
		before := r.store.count()
		if err := r.flushes(100*time.Millisecond, "a"); err != nil || r.store.count() != before {
			t.Errorf("with nothing to store: %v, %d transactions", err, r.store.count()-before)
		}
		if err := r.flushes(0, "nobody"); err != nil {
			t.Errorf("a cluster that the ledger does not know: %v", err)
		}
	})
}

// TestFlushOfWhatCannotBeStored: it waits for its own cluster's part, and for that
// alone, says why it has given up, and returns once the store takes it.
func TestFlushOfWhatCannotBeStored(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		r.snapshotted()
		good, bad := r.claim("good"), r.claim("bad")
		time.Sleep(2 * time.Second)
		r.refuseCursors(bad)
		bad.Seen("20")
		err := r.flushes(time.Minute, "bad")
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), errPoison.Error()) || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("Flush: %v", err)
		}
		for i := range 10 {
			deliver(t, good, pod(i), at20(i), false, false)
			good.Seen(at20(i).ResourceVersion)
			if err := r.flushes(100*time.Millisecond, "good"); err != nil {
				t.Fatalf("held up by another cluster: %v", err)
			}
		}
		if again, _ := r.reopen().claimAs(good.ID(), "digest"); again.ResumePoint() != "29" {
			t.Errorf("stored: resume point %q", again.ResumePoint())
		}
		flushed := make(chan error, 1)
		go func() { flushed <- r.flushes(time.Minute, "bad") }()
		time.Sleep(time.Second)
		r.store.refuseIf(nil)
		if err := <-flushed; err != nil {
			t.Errorf("Flush: %v", err)
		}
		if again, _ := r.reopen().claimAs(bad.ID(), "digest"); again.ResumePoint() != "20" {
			t.Errorf("stored: resume point %q", again.ResumePoint())
		}
	})
}

// TestFlushOfALedgerThatEnds: the last transaction is one like any other, and after
// it there is none.
func TestFlushOfALedgerThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: time.Second})
		c := r.snapshotted()
		time.Sleep(5 * time.Second)
		c.Seen("20")
		flushed := make(chan error, 1)
		go func() { flushed <- r.flushes(time.Hour, "a") }()
		synctest.Wait()
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if err := <-flushed; err != nil || r.restart().ResumePoint() != "20" {
			t.Errorf("Flush: %v, stored is resume point %q", err, r.restart().ResumePoint())
		}
		c.Seen("30")
		if err := r.flushes(time.Hour, "a"); !errors.Is(err, errEnded) {
			t.Errorf("Flush after the end: %v", err)
		}
	})
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Join("a")
	if err := l.Flush(t.Context(), "a"); err != nil {
		t.Errorf("without a store: %v", err)
	}
}

// TestClustersThatCannotBeStoredHoldUpNoQuietOne: when several fail at once and
// nobody else has anything new, the store might fail for all. Those at rest must not
// wait for something new of theirs to find out.
func TestClustersThatCannotBeStoredHoldUpNoQuietOne(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		quiet, bad, worse := r.snapshotted(), r.claim("bad"), r.claim("worse")
		deliver(t, quiet, pod(1), at20(1), false, false)
		quiet.Seen("21")
		time.Sleep(2 * time.Second)
		r.refuseCursors(bad, worse)
		bad.Seen("30")
		worse.Seen("30")
		time.Sleep(2 * time.Second)
		for range 3 {
			// A further state of an object that the store knows has nothing to note.
			_, _, safe, _ := quiet.Begin(0, pod(1), at20(1), false)
			if safe != nil {
				select {
				case <-safe:
				case <-time.After(writeRetryMax):
					t.Fatal("a cluster at rest is held up by others that cannot be stored")
				}
			}
		}
		if err := r.flushes(writeRetryMax, "a"); err != nil {
			t.Error(err)
		}
		if s, _ := r.ledger.Status(); !s.Healthy {
			t.Error("the store is taken to fail although it takes what it is given of others")
		}
	})
}
