package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// begins fails the test if Begin has not returned within the time that is given.
func (r *running) begins(within time.Duration, sequence uint64, n Name, v Version) (ghosts []string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	ghosts, _, err := beginAndWait(ctx, r.cursor, sequence, n, v, false)
	if err != nil {
		r.Fatalf("Begin of %v: %v", n, err)
	}
	return ghosts
}

// another begins an object that nothing is known of: what waits is noted ahead
// with it.
func (r *running) another(i int) {
	r.Helper()
	sequence, _ := r.cursor.observe(pod(i), at20(i), false, false)
	r.begins(time.Second, sequence, pod(i), at20(i))
}

// held returns the UIDs that a new process would take a sink to hold.
func (r *running) held(n Name) (uids []string) {
	c := r.restart()
	for _, v := range c.unackedUIDs[name(appendName(nil, n))] {
		uids = append(uids, c.formatLocked(v.uid))
	}
	return uids
}

// TestWaitingUIDsAreNotedAhead: one transaction for all that waits, however many
// workers there are.
func TestWaitingUIDsAreNotedAhead(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		before := len(r.store.seen())
		sequences := make([]uint64, 1000)
		for i := range sequences {
			sequences[i], _ = c.observe(pod(i), at20(i), false, false)
		}
		r.begins(time.Second, sequences[0], pod(0), at20(0))
		for i, sequence := range sequences[1:] {
			r.begins(0, sequence, pod(i+1), at20(i+1)) // not even time for a wait that ends
			c.Ack(sequence, pod(i+1), at20(i+1), false)
		}
		if seen := r.store.seen()[before:]; len(seen) != 1 || seen[0].records != len(sequences) {
			t.Errorf("1000 waiting UIDs took transactions %+v", seen)
		}
		if n := len(r.restart().unackedUIDs); n != len(sequences) {
			t.Errorf("the store has %d notes", n)
		}
	})
}

// TestTransactionsShareTheirSync: however fast new UIDs come, and however soon
// each is begun.
func TestTransactionsShareTheirSync(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		before := len(r.store.seen())
		for i := range 1000 {
			sequence, _ := c.observe(pod(i), at20(i), false, false)
			go func() { _, _, _ = beginAndWait(t.Context(), c, sequence, pod(i), at20(i), false) }()
			time.Sleep(time.Millisecond)
		}
		if n := len(r.store.seen()) - before; n > 102 {
			t.Errorf("a thousand notes within a second made %d transactions", n)
		}
	})
}

// TestAcksGoAlongWithNotes: so that a first snapshot gathers no large transaction.
func TestAcksGoAlongWithNotes(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		sequences := make([]uint64, 500)
		for i := range sequences {
			sequences[i], _ = c.observe(pod(i), at20(i), false, false)
			c.Seen(at20(i).ResourceVersion)
		}
		for i, sequence := range sequences {
			r.begins(time.Second, sequence, pod(i), at20(i))
			c.Ack(sequence, pod(i), at20(i), false)
		}
		if again := r.restart(); again.Stats().Known != 500 || len(again.unackedUIDs) != 500 {
			t.Fatalf("the store has %+v, %d held", again.Stats(), len(again.unackedUIDs))
		}
		before := len(r.store.seen())
		sequence, _ := c.observe(pod(500), at20(500), false, false)
		r.begins(time.Second, sequence, pod(500), at20(500))
		if seen := r.store.seen()[before:]; len(seen) != 1 || seen[0].heads > 0 {
			t.Fatalf("a note took transactions %+v", seen)
		}
		again := r.restart()
		if s := again.Stats(); s.Known != 501 || len(again.unackedUIDs) != 1 || again.ResumePoint() != "10" {
			t.Errorf("the store has %d objects, %d of them held, resume point %s", s.Known, len(again.unackedUIDs), again.ResumePoint())
		}
	})
}

// TestBeginWaitsForANoteAheadUnderWay: and if that fails, for the next.
func TestBeginWaitsForANoteAheadUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: 400 * time.Millisecond})
		c := r.snapshotted()
		time.Sleep(1500 * time.Millisecond)
		for i, fails := range []bool{false, true} {
			first, second := pod(2*i), pod(2*i+1)
			a, _ := c.observe(first, at20(2*i), false, false)
			b, _ := c.observe(second, at20(2*i+1), false, false)
			if fails {
				r.store.fail(errors.New("disk full"))
			}
			go func() { _, _, _ = beginAndWait(t.Context(), c, a, first, at20(2*i), false) }()
			time.Sleep(100 * time.Millisecond) // the transaction is under way
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if _, _, err := beginAndWait(short, c, b, second, at20(2*i+1), false); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Begin returned before the note was stored: %v", err)
			}
			cancel()
			if fails {
				time.Sleep(time.Minute)
				if held := r.held(second); len(held) != 0 {
					t.Fatalf("a store that fails holds %v", held)
				}
				r.store.fail(nil)
			}
			r.begins(time.Minute, b, second, at20(2*i+1))
			if held := r.held(second); !slices.Equal(held, []string{uuid(2*i + 1)}) {
				t.Errorf("Begin returned when the store held %v", held)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestReplacedNoteAheadIsForgotten: a UID that no sink has got needs no deletion,
// and does not make newer ones look older than they are.
func TestReplacedNoteAheadIsForgotten(t *testing.T) {
	for name, noted := range map[string]bool{"before the other is begun": false, "when the other is noted ahead": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *running) {
				c := r.snapshotted()
				time.Sleep(1100 * time.Millisecond)
				_, _ = c.observe(pod(0), at(uuid(100), 21), false, false)
				r.another(1) // notes the other one ahead
				if held := r.held(pod(0)); !slices.Equal(held, []string{uuid(100)}) {
					t.Fatalf("the store holds %v", held)
				}
				_, _ = c.observe(pod(0), at(uuid(100), 22), true, false)
				sequence, _ := c.observe(pod(0), at(uuid(101), 23), false, false)
				if noted {
					r.another(2)
				}
				if ghosts := r.begins(time.Second, sequence, pod(0), at(uuid(101), 23)); len(ghosts) > 0 {
					t.Errorf("%v is to be deleted, which no sink has got", ghosts)
				}
				if held := r.held(pod(0)); !slices.Equal(held, []string{uuid(101)}) {
					t.Errorf("the store holds %v", held)
				}
			})
		})
	}
}

// TestDeletedBeforeItIsNoted: there is nothing to be noted, or not any more.
func TestDeletedBeforeItIsNoted(t *testing.T) {
	for name, noted := range map[string]bool{"before a transaction": false, "after one": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *running) {
				c := r.snapshotted()
				time.Sleep(1100 * time.Millisecond)
				_, _ = c.observe(pod(0), at20(0), false, false)
				if noted {
					r.another(1)
				}
				sequence, _ := c.observe(pod(0), at(uuid(0), 30), true, false)
				r.another(2)
				if held := r.held(pod(0)); !noted && len(held) > 0 {
					t.Errorf("the store holds %v, which is deleted", held)
				}
				if _, _, err := beginAndWait(t.Context(), c, sequence, pod(0), at(uuid(0), 30), true); err != nil {
					t.Fatal(err)
				}
				_, _ = c.observe(pod(0), at(uuid(9), 40), false, false) // in the way of the ack
				c.Ack(sequence, pod(0), at(uuid(0), 30), true)
				time.Sleep(2 * time.Second)
				if held := r.held(pod(0)); !slices.Equal(held, []string{uuid(9)}) {
					t.Errorf("the store holds %v", held)
				}
			})
		})
	}
}

// TestADeletionIsAckedAndWaitsAgain: a watch has shown it once more meanwhile. No sink holds
// the UID.
func TestADeletionIsAckedAndWaitsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		_, _ = c.observe(pod(0), at20(0), false, false)
		r.another(1) // notes the other one ahead
		sequence, _ := c.observe(pod(0), at(uuid(0), 30), true, false)
		if _, _, err := beginAndWait(t.Context(), c, sequence, pod(0), at(uuid(0), 30), true); err != nil {
			t.Fatal(err)
		}
		_, _ = c.observe(pod(0), at(uuid(0), 31), true, false)
		c.Ack(sequence, pod(0), at(uuid(0), 30), true)
		time.Sleep(2 * time.Second)
		if held := r.held(pod(0)); len(held) > 0 {
			t.Errorf("the store holds %v, whose deletion is acked", held)
		}
	})
}

// TestNoteAheadKeepsItsUID: also one that is no UUID, when others like it come
// and go.
func TestNoteAheadKeepsItsUID(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		_, _ = c.observe(pod(0), at("odd", 20), false, false)
		r.another(1) // notes the other one ahead
		_, _ = c.observe(pod(0), at(uuid(9), 30), false, false)
		for i := range 200 {
			_, _ = c.observe(pod(2), at(fmt.Sprint("odd-", i), 40+i), false, false)
		}
		r.ledger.Leave("a")
		held := c.unackedUIDs[name(appendName(nil, pod(0)))]
		if len(held) != 1 || c.formatLocked(held[0].uid) != "odd" {
			t.Errorf("a sink is taken to hold %v", held)
		}
	})
}

// TestNoteAheadOutlivesItsChange: a cluster leaves before its change is begun.
// What the process knows then is what a new one would.
func TestNoteAheadOutlivesItsChange(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		_, _ = c.observe(pod(0), at20(0), false, false)
		r.another(1)
		r.ledger.Leave("a")
		if _, _, known := c.Lookup(pod(0)); !known {
			t.Error("the process has forgotten what the store knows")
		}
		c.BeginSnapshot()
		var gone []string
		for _, missing := range endSnapshot(c, "50") {
			gone = append(gone, missing.Version.UID)
		}
		if slices.Sort(gone); !slices.Equal(gone, []string{uuid(0), uuid(1)}) {
			t.Errorf("tombstones for %v", gone)
		}
	})
}

// TestNoteAheadHasTheVersionOfItsUID: also when a snapshot was the first to show it.
func TestNoteAheadHasTheVersionOfItsUID(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		_, _ = c.observe(pod(0), at(uuid(100), 20), false, false)
		c.BeginSnapshot()
		_, _ = c.observe(pod(0), at(uuid(101), 30), false, true)
		r.another(1)
		again := r.restart()
		want := []version{{again.uidLocked(uuid(101)), 30}}
		if got := again.unackedUIDs[name(appendName(nil, pod(0)))]; !slices.Equal(got, want) {
			t.Errorf("the store holds %v, want %v", got, want)
		}
	})
}

// TestNothingGathersToBeNotedAhead: what has been settled without a note is not
// kept until there is time for it.
func TestNothingGathersToBeNotedAhead(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		for range 2 {
			for i := range 4 * prewriteAtOnce {
				_, _ = c.observe(pod(i), at20(i), false, false)
				gone := at(uuid(i), 30+i)
				sequence, _ := c.observe(pod(i), gone, true, false)
				c.begin(sequence, pod(i), gone, true)
				c.Ack(sequence, pod(i), gone, true)
				c.Seen(gone.ResourceVersion)
			}
			time.Sleep(2 * time.Second)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(c.prewritable); n > 0 {
			t.Errorf("%d changes are kept that are long acked", n)
		}
	})
}

// TestAckedUIDsAreNotNotedAhead: sinks hold them anyway, and what is held makes
// the next snapshot deliver what it shows.
func TestAckedUIDsAreNotNotedAhead(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		first, _ := c.observe(pod(0), at(uuid(0), 20), false, false)
		r.begins(time.Second, first, pod(0), at(uuid(0), 20))
		_, _ = c.observe(pod(0), at(uuid(0), 21), false, false) // waits
		c.Ack(first, pod(0), at(uuid(0), 20), false)
		r.another(1)
		time.Sleep(2 * time.Second)
		if held := r.held(pod(0)); len(held) > 0 {
			t.Errorf("the store holds %v beyond what is acked", held)
		}
	})
}

// TestOlderOneIsBegunAfterANoteAhead: a worker had taken it before the newer one
// was noted, whose note stays.
func TestOlderOneIsBegunAfterANoteAhead(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1100 * time.Millisecond)
		older, _ := c.observe(pod(0), at(uuid(100), 20), false, false)
		newer, _ := c.observe(pod(0), at(uuid(101), 30), false, false)
		r.another(1) // notes the newer one ahead
		r.begins(time.Second, older, pod(0), at(uuid(100), 20))
		if held := r.held(pod(0)); !slices.Equal(held, []string{uuid(100), uuid(101)}) {
			t.Errorf("the store holds %v", held)
		}
		c.Ack(older, pod(0), at(uuid(100), 20), false)
		r.begins(0, newer, pod(0), at(uuid(101), 30)) // not even time for a wait that ends
	})
}

// TestQueuedIsNotReused: what is settled before its turn to be noted may not
// become another object's meanwhile, perhaps another cursor's.
func TestQueuedIsNotReused(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		_, _ = c.observe(pod(0), at20(0), false, false)
		gone, _ := c.observe(pod(0), at(uuid(0), 30), true, false)
		c.begin(gone, pod(0), at(uuid(0), 30), true)
		c.Ack(gone, pod(0), at(uuid(0), 30), true)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.prewritable) != 1 || !c.prewritable[0].queued || c.pending[c.prewritable[0].name] != nil {
			t.Errorf("%d changes wait to be noted, want the settled one", len(c.prewritable))
		}
	})
}

// What one cursor has settled another one uses at once: with the race detector, this fails if it
// is looked at later.
func TestSettledIsLeftAlone(t *testing.T) {
	var cursors sync.WaitGroup
	for range 4 {
		c := newCursor(StreamID{}, nil)
		c.BeginSnapshot()
		endSnapshot(c, "10")
		c.Seen("10")
		cursors.Go(func() {
			for rv := 20; rv < 4000; rv += 2 {
				for i, deleted := range []bool{false, true} {
					v := at(uid1, rv+i)
					sequence, _ := c.observe(pod(0), v, deleted, false)
					c.Begin(sequence, pod(0), v, deleted)
					c.Ack(sequence, pod(0), v, deleted)
				}
			}
		})
	}
	cursors.Wait()
}
