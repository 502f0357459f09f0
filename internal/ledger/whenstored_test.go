package ledger

import (
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// begins takes one observation through Begin, and returns its number.
func begins(t *testing.T, c *Cursor, n Name, v Version) (sequence uint64) {
	t.Helper()
	sequence, _ = c.observe(n, v, false, false)
	if _, _, err := beginAndWait(t.Context(), c, sequence, n, v, false); err != nil {
		t.Fatal(err)
	}
	return sequence
}

// Who asks is told of an ack once the store has its record: not before, not when the store
// fails, once, and never of an ack that did not count.
func TestStoredIsTold(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		told := 0
		stored := func() { told++ }
		v := at(uid1, 30)
		sequence := begins(t, c, pod(1), v)
		c.Ack(sequence, pod(1), v, false, stored)
		if told != 0 {
			t.Fatal("it is told before anything was stored")
		}
		if err := r.flushes(900*time.Millisecond, "a"); err != nil {
			t.Fatal(err)
		}
		if told != 1 {
			t.Errorf("it is told %d times of what is stored, want once", told)
		}
		c.Ack(sequence, pod(1), v, false, stored) // again: nothing was begun
		v = at(uid1, 31)
		sequence = begins(t, c, pod(1), v)
		r.store.refuseIf(func([]Update) bool { return true })
		c.Ack(sequence, pod(1), v, false, stored)
		if err := r.flushes(time.Second, "a"); err == nil {
			t.Error("the store takes what it refuses")
		}
		if told != 1 {
			t.Errorf("it is told %d times while the store refuses, want once", told)
		}
		r.store.refuseIf(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if told != 2 || len(c.awaited) != 0 {
			t.Errorf("it is told %d times, and %d objects are awaited; want 2 and none", told, len(c.awaited))
		}
	})
}

// For how many objects somebody waits is bounded.
func TestAwaitedIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		told := 0
		for i := range mostAwaited + 10 {
			sequence, _ := c.observe(pod(i), at20(i), false, false)
			c.Begin(sequence, pod(i), at20(i), false)
			c.Ack(sequence, pod(i), at20(i), false, func() { told++ })
		}
		if err := r.flushes(time.Minute, "a"); err != nil {
			t.Fatal(err)
		}
		if told != mostAwaited {
			t.Errorf("told of %d, want %d", told, mostAwaited)
		}
	})
}
