package ledger

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Numbers grow, whatever happens: also above those of the cluster whose place
// another takes, and with a clock that goes backwards.
func TestNumbersGrow(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		last := uint64(time.Now().UnixMicro()) - 2
		next := func(what string, c *Cursor, i int) {
			t.Helper()
			o := c.Observe(pod(i), at(uuid(i), 100+i), false, true, nil)
			if o.Sequence <= last || o.Sequence%2 != 0 {
				t.Errorf("%s: number %d after %d", what, o.Sequence, last)
			}
			if last = o.Sequence; i%5000 != 0 {
				return
			}
			if _, _, err := beginAndWait(t.Context(), c, o.Sequence, pod(i), at(uuid(i), 100+i), false); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		c := r.cursor
		for i := range numbersAhead {
			next("in a process", c, i)
		}
		for range 3 {
			c = r.restart()
			if o := c.Observe(pod(2), at(uuid(2), 1), false, true, nil); o.Sequence <= last {
				t.Errorf("after a restart: number %d after %d", o.Sequence, last)
			}
		}
		other, former := r.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: "another", Resource: "pods"}})
		if len(former) != 1 {
			t.Fatal(former)
		}
		next("in another cluster", other, 0)
	})
}

// Nothing is handed over under a number that a process after a kill could use.
func TestBeginWaitsForNumbers(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		sequence, _ := c.observe(pod(0), at20(0), false, false)
		r.begins(time.Second, sequence, pod(0), at20(0))
		c.Ack(sequence, pod(0), at20(0), false)
		time.Sleep(2 * time.Second)
		r.store.fail(errors.New("disk full"))
		for i := range numbersAhead/2 + 1 {
			sequence, _ = c.observe(pod(0), at(uuid(0), 30+i), false, false)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		v := at(uuid(0), 30+numbersAhead/2)
		if _, _, err := beginAndWait(short, c, sequence, pod(0), v, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("handed over: %v", err)
		}
		r.store.fail(nil)
		r.begins(time.Minute, sequence, pod(0), v)
		if again := r.restart(); again.numbers.last < sequence {
			t.Errorf("a new process goes on at %d, after %d", again.numbers.last, sequence)
		}
	})
}

// In practice nobody waits for them.
func TestNumbersAreRenewedAhead(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		sequence, _ := c.observe(pod(0), at20(0), false, false)
		r.begins(time.Second, sequence, pod(0), at20(0))
		c.Ack(sequence, pod(0), at20(0), false)
		time.Sleep(2 * time.Second)
		for i := range numbersAhead {
			v := at(uuid(0), 30+i)
			sequence, _ := c.observe(pod(0), v, false, false)
			if _, _, unstored, superseded := c.begin(sequence, pod(0), v, false); unstored || superseded {
				t.Fatalf("change %d waits", i)
			}
			c.Ack(sequence, pod(0), v, false)
			if i%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
	})
}

// An older change is not handed over after a newer one, nor twice.
func TestBeginRefusesWhatIsSuperseded(t *testing.T) {
	c, a := snapshotOf(t), Name{"ns", "a"}
	superseded := func(sequence uint64, v Version) bool {
		_, _, _, superseded := c.begin(sequence, a, v, false)
		return superseded
	}
	first, _ := c.observe(a, at(uid1, 21), false, false)
	second, _ := c.observe(a, at(uid1, 22), false, false)
	for range 2 {
		if superseded(first, at(uid1, 21)) {
			t.Error("refused before a newer one is begun")
		}
	}
	if superseded(second, at(uid1, 22)) || !superseded(first, at(uid1, 21)) {
		t.Error("an older one is not refused")
	}
	c.Ack(first, a, at(uid1, 21), false) // says nothing
	if acked, pending, _ := c.Lookup(a); acked != at(uid1, 10) || !pending {
		t.Errorf("acked %v", acked)
	}
	c.Ack(second, a, at(uid1, 22), false)
	if !superseded(first, at(uid1, 21)) || !superseded(second, at(uid1, 22)) {
		t.Error("what was acked is not refused")
	}
	third, _ := c.observe(a, at(uid1, 23), false, false)
	if !superseded(second, at(uid1, 22)) || superseded(third, at(uid1, 23)) {
		t.Error("only the third may be handed over")
	}
	fourth, _ := c.observe(a, at(uid1, 24), false, false)
	c.Ack(third, a, at(uid1, 23), false)
	if !superseded(third, at(uid1, 23)) || superseded(fourth, at(uid1, 24)) {
		t.Error("only the fourth may be handed over")
	}
	if !superseded(fourth+2, at(uid1, 25)) {
		t.Error("what was never observed is handed over")
	}
}

// What waits for a head that the store has yet to get does not go before it because a later one
// is to be stored, too.
func TestWhatWaitsForAHeadWaitsForTheNextToo(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	s.commit(true)
	c.RaiseDue()
	c.raiseGenerationLocked()
	sequence, _ := c.observe(pod(1), at(uid3, 31), false, false)
	c.raiseGenerationLocked()
	if _, _, unstored, _ := c.begin(sequence, pod(1), at(uid3, 31), false); !unstored {
		t.Error("it is handed over before the store has the first one")
	}
	s.commit(true)
	if _, _, unstored, _ := c.begin(sequence, pod(1), at(uid3, 31), false); unstored {
		t.Error("it waits although the store has both")
	}
}
