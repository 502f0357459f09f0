package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestNotesAreWrittenAtOnceAndTogether(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		time.Sleep(1200 * time.Millisecond) // the first full transaction is over, the next one is far
		before, began := len(r.store.seen()), time.Now()
		var wg sync.WaitGroup
		for i := range 64 {
			n, v := pod(i), at20(i)
			sequence, _ := c.observe(n, v, false, false)
			wg.Go(func() {
				if _, _, err := beginAndWait(t.Context(), c, sequence, n, v, false); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		// Some are in a transaction at once, and the others in the next one.
		if took := time.Since(began); took > intentSpacing+3*time.Millisecond {
			t.Errorf("64 notes took %v: not written at once", took)
		}
		if n := len(r.store.seen()) - before; n > 2 {
			t.Errorf("64 concurrent notes made %d transactions", n)
		}
		if held := len(r.restart().unackedUIDs); held != 64 {
			t.Errorf("the store has %d of 64 notes", held)
		}
		// A UID that is noted needs no transaction.
		before = len(r.store.seen())
		sequence, _ := c.observe(pod(1), at(uuid(1), 200), false, false)
		if _, _, err := beginAndWait(t.Context(), c, sequence, pod(1), at(uuid(1), 200), false); err != nil || len(r.store.seen()) != before {
			t.Errorf("a UID that is noted: %v, %d transactions", err, len(r.store.seen())-before)
		}
	})
}

func TestAcksAreGathered(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		began := time.Now()
		for i := range 1000 { // for ten seconds
			v := at(uuid(i%10), 20+i)
			deliver(t, c, pod(i%10), v, false, false)
			c.Seen(v.ResourceVersion)
			time.Sleep(10 * time.Millisecond)
		}
		full := 0
		for _, tx := range r.store.seen() {
			if tx.heads > 0 {
				full++
			}
		}
		if seconds := int(time.Since(began)/time.Second) + 1; full > seconds+1 || full < 9 {
			t.Errorf("%d full transactions in %d seconds", full, seconds)
		}
		before := len(r.store.seen())
		time.Sleep(2 * time.Second)
		between := len(r.store.seen())
		time.Sleep(time.Hour)
		if after := len(r.store.seen()); between > before+2 || after > between {
			t.Errorf("%d transactions, then %d, with nothing to write", between-before, after-between)
		}
	})
}

// Begun again while its note is on the way to the store: both must wait.
func TestBeginWaitsForANoteUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: 400 * time.Millisecond})
		c := r.snapshotted()
		time.Sleep(1900 * time.Millisecond)
		sequence, _ := c.observe(pod(1), at20(1), false, false)
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, _, err := beginAndWait(impatient, c, sequence, pod(1), at20(1), false); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Begin: %v", err)
		}
		if _, _, err := beginAndWait(t.Context(), c, sequence, pod(1), at20(1), false); err != nil {
			t.Fatal(err)
		}
		if len(r.restart().unackedUIDs) != 1 {
			t.Error("Begin returned before the note was stored")
		}
	})
}

// Another UID is noted under a name while the store is given the one before,
// whose Begin has given up: that transaction stores nothing of it.
func TestBeginWaitsForItsOwnNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: 400 * time.Millisecond})
		c := r.snapshotted()
		time.Sleep(1500 * time.Millisecond) // no full transaction is under way, nor comes next
		before := len(r.store.seen())
		sequence, _ := c.observe(pod(1), at20(1), false, false)
		impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, _, err := beginAndWait(impatient, c, sequence, pod(1), at20(1), false); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Begin: %v", err)
		}
		if len(r.store.seen()) != before {
			t.Fatal("the first note is no longer on its way")
		}
		patient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sequence, _ = c.observe(pod(1), at20(2), false, false)
		if _, _, err := beginAndWait(patient, c, sequence, pod(1), at20(2), false); err != nil {
			t.Fatal(err)
		}
		want := []version{{c.uidLocked(uuid(1)), 21}, {c.uidLocked(uuid(2)), 22}}
		if got := r.restart().unackedUIDs[name(appendName(nil, pod(1)))]; !slices.Equal(got, want) {
			t.Errorf("Begin returned with %v noted, want %v", got, want)
		}
	})
}

func TestFailingStorePausesDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		// In a bubble whose writer ticks on, a wait without an end has none.
		end, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c := r.snapshotted()
		deliver(t, c, pod(1), at20(1), false, false)
		c.Seen("21")
		time.Sleep(2 * time.Second)
		if s, ok := r.ledger.Status(); !ok || !s.Healthy || s.Failures != 0 || s.Writes == 0 || s.Written.IsZero() {
			t.Fatalf("status %+v, %v", s, ok)
		}

		r.store.fail(errors.New("no space left on device"))
		failed := time.Now()
		// A note waits; so does what is known, once the store has failed.
		fresh, _ := c.observe(pod(2), at(uuid(2), 30), false, false)
		known, _ := c.observe(pod(1), at(uuid(1), 31), false, false)
		began := make(chan string, 2)
		go func() {
			_, _, err := beginAndWait(end, c, fresh, pod(2), at(uuid(2), 30), false)
			began <- fmt.Sprint("fresh ", err)
		}()
		time.Sleep(time.Second)
		go func() {
			_, _, err := beginAndWait(end, c, known, pod(1), at(uuid(1), 31), false)
			began <- fmt.Sprint("known ", err)
		}()
		ctx, cancel := context.WithTimeoutCause(end, time.Minute, errors.New("the program ends"))
		defer cancel()
		if _, _, err := beginAndWait(ctx, c, known, pod(1), at(uuid(1), 31), false); err == nil || !strings.Contains(err.Error(), "the program ends") {
			t.Errorf("Begin when ctx ends: %v", err)
		}
		time.Sleep(10 * time.Minute)
		if len(began) > 0 {
			t.Fatalf("delivery goes on: %s", <-began)
		}
		s, _ := r.ledger.Status()
		if s.Healthy || s.LastError != "no space left on device" || s.Since.Before(failed) || s.Since.After(failed.Add(2*time.Second)) ||
			s.Attempts < 60 || s.Attempts > 1000 || !s.NextRetry.After(time.Now().Add(-time.Second)) || s.NextRetry.After(time.Now().Add(writeRetryMax)) {
			t.Errorf("status while it fails: %+v", s)
		}
		if got := c.ResumePoint(); got != "21" {
			t.Errorf("resume point %s", got)
		}

		r.store.fail(nil)
		time.Sleep(writeRetryMax + time.Second)
		got := []string{<-began, <-began}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"fresh <nil>", "known <nil>"}, got); diff != "" {
			t.Errorf("after it has recovered (-want +got):\n%s", diff)
		}
		if s, _ := r.ledger.Status(); !s.Healthy || s.LastError != "" || s.Attempts != 0 || !s.NextRetry.IsZero() {
			t.Errorf("status after it has recovered: %+v", s)
		}
		if len(*r.logs) != 2 {
			t.Errorf("%d lines in the log, want one when it fails and one when it has recovered:\n%s", len(*r.logs), strings.Join(*r.logs, "\n"))
		}
		c.Ack(fresh, pod(2), at(uuid(2), 30), false)
		c.Ack(known, pod(1), at(uuid(1), 31), false)
		c.Seen("31")
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		again := r.restart()
		if again.ResumePoint() != "31" || again.Stats().Known != 2 {
			t.Errorf("after a restart: resume point %s, %+v", again.ResumePoint(), again.Stats())
		}
	})
}

// What was acked while the store failed is stored when it works again.
func TestNothingIsLostByAFailedTransaction(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		var sequences []uint64
		for i := range 20 {
			sequence, _ := c.observe(pod(i), at20(i), false, false)
			c.Seen(at20(i).ResourceVersion)
			if _, _, err := beginAndWait(t.Context(), c, sequence, pod(i), at20(i), false); err != nil {
				t.Fatal(err)
			}
			sequences = append(sequences, sequence)
		}
		time.Sleep(2 * time.Second)
		r.store.fail(errors.New("input/output error"))
		for i, sequence := range sequences {
			c.Ack(sequence, pod(i), at20(i), false)
			time.Sleep(300 * time.Millisecond)
		}
		r.store.fail(nil)
		time.Sleep(time.Minute)
		again := r.restart() // not stopped: as after kill -9
		if s := again.Stats(); again.ResumePoint() != "39" || s.Known != 20 || len(again.unackedUIDs) != 0 {
			t.Errorf("resume point %s, %+v, %d held", again.ResumePoint(), s, len(again.unackedUIDs))
		}

		// A transaction of a head alone: nothing but the resume point moves.
		before, _ := r.ledger.Status()
		r.store.fail(errors.New("input/output error"))
		c.Seen("60")
		time.Sleep(2 * time.Second)
		if s, _ := r.ledger.Status(); s.Failures == before.Failures {
			t.Fatalf("no transaction has failed: %+v", s)
		}
		r.store.fail(nil)
		time.Sleep(time.Minute)
		if got := r.restart().ResumePoint(); got != "60" {
			t.Errorf("resume point %s, want 60", got)
		}
	})
}

func TestLastTransaction(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.snapshotted()
		deliver(t, c, pod(1), at20(1), false, false)
		c.Seen("21")
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if again := r.restart(); again.ResumePoint() != "21" || again.acked.len() != 1 {
			t.Errorf("resume point %q, %d acked", again.ResumePoint(), again.acked.len())
		}
	})
	bubble(t, func(t *testing.T, r *running) {
		deliver(t, r.snapshotted(), pod(1), at20(1), false, false)
		full := errors.New("no space left on device")
		r.store.fail(full)
		if err := r.stop(); !errors.Is(err, full) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRunWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.Run(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("Run: %v, before it was told to end", err)
		}
		if _, ok := l.Status(); ok {
			t.Error("a status without a store")
		}
	})
}

// A note comes before the first resume point: a restart then takes a snapshot,
// and knows of the object.
func TestNoteBeforeTheFirstFullTransaction(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		c := r.cursor
		c.BeginSnapshot()
		sequence, _ := c.observe(pod(1), at20(1), false, true)
		if _, _, err := beginAndWait(t.Context(), c, sequence, pod(1), at20(1), false); err != nil {
			t.Fatal(err)
		}
		again := r.restart()
		if _, ok := again.Start(); ok || again.Stats().Known != 1 {
			t.Fatalf("after a restart: a watch may start, or %+v", again.Stats())
		}
		again.BeginSnapshot()
		if d := endSnapshot(again, "30"); len(d) != 1 || d[0].Version.UID != uuid(1) {
			t.Errorf("tombstones: %v, want one of %s", d, uuid(1))
		}
	})
}

// The resume point in memory may be ahead of the stored one. What it has passed
// must stay in the store until that one follows: else a restart watches from
// the older one and revives what was deleted.
func TestANoteLeavesARememberedDeletionInTheStore(t *testing.T) {
	store := newMemStore()
	l, err := Open(t.Context(), Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	commit := func(all bool) {
		t.Helper()
		if err := l.writer.commit(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	id := StreamID{Cluster: "a"}
	c, _ := l.claimAs(id, "")
	done := func(i int, v Version, deleted bool) {
		t.Helper()
		sequence, verdict := c.observe(pod(i), v, deleted, false)
		if verdict != Deliver {
			t.Fatalf("%v: verdict %v", v, verdict)
		}
		c.begin(sequence, pod(i), v, deleted)
		c.Ack(sequence, pod(i), v, deleted)
		c.Seen(v.ResourceVersion)
	}
	c.BeginSnapshot()
	endSnapshot(c, "10")
	c.Seen("10")
	slow, _ := c.observe(pod(1), at(uuid(1), 11), false, false) // holds the resume point at 10
	c.Seen("11")
	c.begin(slow, pod(1), at(uuid(1), 11), false)
	done(2, at(uuid(2), 12), false)
	done(2, at(uuid(2), 13), true)
	commit(true)
	c.Ack(slow, pod(1), at(uuid(1), 11), false)
	if c.ResumePoint() != "13" {
		t.Fatalf("resume point %s", c.ResumePoint())
	}
	sequence, _ := c.observe(pod(2), at(uuid(3), 14), false, false) // made again
	c.begin(sequence, pod(2), at(uuid(3), 14), false)
	commit(false)

	l, err = Open(t.Context(), Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if c, _ = l.claimAs(id, ""); c.ResumePoint() != "10" {
		t.Fatalf("stored resume point %s", c.ResumePoint())
	}
	for _, v := range []struct {
		version Version
		deleted bool
	}{{at(uuid(2), 12), false}, {at(uuid(2), 13), true}} {
		if _, got := c.observe(pod(2), v.version, v.deleted, false); got != Stale {
			t.Errorf("%v, watched again after it was deleted: verdict %v, want Stale", v.version, got)
		}
	}
}
