package ledger

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/google/go-cmp/cmp"
)

const (
	uid1 = "0a1b2c3d-0000-4000-8000-000000000001"
	uid2 = "0a1b2c3d-0000-4000-8000-000000000002"
	uid3 = "not a UUID"
)

func at(u string, rv int) Version { return Version{u, strconv.Itoa(rv)} }

// deliver takes one observation through Begin and Ack.
func deliver(t *testing.T, c *Cursor, n Name, v Version, deleted, snapshot bool) (ghosts []string, known bool) {
	t.Helper()
	sequence, verdict := c.observe(n, v, deleted, snapshot)
	if verdict != Deliver {
		t.Fatalf("Observe(%v, %v) = %v, want Deliver", n, v, verdict)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ghosts, known, err := beginAndWait(ctx, c, sequence, n, v, deleted)
	if err != nil {
		t.Fatal(err)
	}
	c.Ack(sequence, n, v, deleted)
	return ghosts, known
}

// endSnapshot and retire take all tombstones at once.
func endSnapshot(c *Cursor, resourceVersion string) []Tombstone {
	return slices.Collect(c.EndSnapshot(resourceVersion))
}

func retire(c *Cursor) []Tombstone { return slices.Collect(c.Retire()) }

func TestVerdicts(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a := Name{"ns", "a"}
	c.BeginSnapshot()
	deliver(t, c, a, at(uid1, 10), false, true)
	endSnapshot(c, "20")
	c.Seen("20")

	for _, tc := range []struct {
		what              string
		name              Name
		version           Version
		deleted, snapshot bool
		want              Verdict
	}{
		{"the acked state, watched", a, at(uid1, 10), false, false, Duplicate},
		{"the acked state, listed", a, at(uid1, 10), false, true, Duplicate},
		{"an older state, watched", a, at(uid1, 9), false, false, Stale},
		{"an older deletion, watched", a, at(uid1, 9), true, false, Stale},
		{"another UID with an older version, watched", a, at(uid2, 9), false, false, Stale},
		{"an older state, listed: a restored backup", a, at(uid1, 9), false, true, Deliver},
	} {
		if _, got := c.observe(tc.name, tc.version, tc.deleted, tc.snapshot); got != tc.want {
			t.Errorf("%s: verdict %v, want %v", tc.what, got, tc.want)
		}
	}
	// Now that a change is pending, nothing is suppressed any more: the queue
	// holds another state than the acked one.
	if _, got := c.observe(a, at(uid1, 10), false, true); got != Deliver {
		t.Errorf("the acked state with another one pending: verdict %v, want Deliver", got)
	}
}

func TestDeletionIsRememberedUntilTheResumePointHasPassedIt(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a, b := Name{"ns", "a"}, Name{"ns", "b"}
	c.BeginSnapshot()
	endSnapshot(c, "10")
	c.Seen("10")
	deliver(t, c, a, at(uid1, 11), false, false)
	c.Seen("11")
	c.observe(b, at(uid2, 12), false, false) // holds the resume point at 11
	c.Seen("12")
	deliver(t, c, a, at(uid1, 13), true, false)
	c.Seen("13")

	c.Rewind()
	if from, ok := c.Start(); from != "11" || !ok {
		t.Fatalf("Start() = %q, %v, want 11, true", from, ok)
	}
	held, _ := c.observe(b, at(uid2, 12), false, false)
	c.Seen("12")
	if _, got := c.observe(a, at(uid1, 13), true, false); got != Stale {
		t.Errorf("the acked deletion, watched again: verdict %v, want Stale", got)
	}
	c.Seen("13")
	if _, _, err := beginAndWait(t.Context(), c, held, b, at(uid2, 12), false); err != nil {
		t.Fatal(err)
	}
	c.Ack(held, b, at(uid2, 12), false)
	if got := c.ResumePoint(); got != "13" || len(c.deleted) != 0 {
		t.Errorf("ResumePoint() = %q with %d deletions remembered, want 13 and none", got, len(c.deleted))
	}
}

func TestGhosts(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a := Name{"", "a"}
	c.BeginSnapshot()
	if ghosts, known := deliver(t, c, a, at(uid1, 1), false, true); ghosts != nil || known {
		t.Errorf("first state: ghosts %v, known %v", ghosts, known)
	}
	endSnapshot(c, "1")
	c.Seen("1")
	if ghosts, known := deliver(t, c, a, at(uid1, 2), false, false); ghosts != nil || !known {
		t.Errorf("second state: ghosts %v, known %v", ghosts, known)
	}
	// Handed over but never acked: a sink may hold it.
	t3, _ := c.observe(a, at(uid3, 3), false, false)
	ghosts, known, _ := beginAndWait(t.Context(), c, t3, a, at(uid3, 3), false)
	if !slices.Equal(ghosts, []string{uid1}) || known {
		t.Errorf("re-created: ghosts %v, known %v, want [%s] false", ghosts, known, uid1)
	}
	ghosts, known = deliver(t, c, a, at(uid2, 4), false, false)
	if !slices.Equal(ghosts, []string{uid1, uid3}) || known {
		t.Errorf("re-created again: ghosts %v, known %v, want [%s %s] false", ghosts, known, uid1, uid3)
	}
	if ghosts, _ = deliver(t, c, a, at(uid2, 5), true, false); ghosts != nil {
		t.Errorf("deleted after all was acked: ghosts %v", ghosts)
	}
	if s := c.Stats(); s.Known != 0 || s.Unacked != 0 {
		t.Errorf("stats %+v, want nothing known", s)
	}
}

func TestSweep(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	ns := func(s string) Name { return Name{"ns", s} }
	c.BeginSnapshot()
	for i, n := range []string{"stays", "goes", "busy"} {
		deliver(t, c, ns(n), at(uid1, i+1), false, true)
	}
	if got := endSnapshot(c, "9"); got != nil {
		t.Errorf("tombstones of a first snapshot: %v", got)
	}
	if c.ResumePoint() != "" {
		t.Error("resume point before the snapshot was handed over")
	}
	c.Seen("9")
	if c.ResumePoint() != "9" {
		t.Error("no resume point after the snapshot")
	}
	c.observe(ns("waits"), at(uid2, 10), false, false)

	for range 2 { // the first time, the stream is interrupted in the sweep
		c.BeginSnapshot()
		c.observe(ns("stays"), at(uid1, 1), false, true)
		c.observe(ns("busy"), at(uid1, 11), false, true)
		var got []string
		for _, d := range endSnapshot(c, "12") {
			got = append(got, d.Name.Name+" "+d.Version.UID+" "+d.Version.ResourceVersion)
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"goes " + uid1 + " 12", "waits " + uid2 + " 12"}, got); diff != "" {
			t.Errorf("tombstones (-want +got):\n%s", diff)
		}
		if _, ok := c.Start(); ok {
			t.Error("a watch may start although the tombstones have not been handed over")
		}
	}
	c.Seen("12")
	if rv, ok := c.Start(); rv != "12" || !ok {
		t.Errorf("Start() = %q, %v", rv, ok)
	}
	if got := c.ResumePoint(); got != "9" {
		t.Errorf("ResumePoint() = %q with the snapshot unacked, want 9", got)
	}
}

func TestLeavingIsNotDeleting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(t.Context(), Options{Retention: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		open := func() *Cursor {
			l.Join("a")
			c, _ := l.claimAs(StreamID{Cluster: "a", Resource: "pods"}, "")
			return c
		}
		c := open()
		c.BeginSnapshot()
		deliver(t, c, Name{"", "x"}, at(uid1, 5), false, true)
		endSnapshot(c, "6")
		c.Seen("6")
		c.observe(Name{"", "y"}, at(uid2, 7), false, false)
		c.Seen("7")

		l.Leave("a")
		time.Sleep(59 * time.Minute)
		was := c
		if c = open(); c.cursor != was.cursor {
			t.Fatal("cursor dropped before its retention time")
		}
		if rv, ok := c.Start(); rv != "6" || !ok {
			t.Errorf("Start() = %q, %v: a change dropped with its lane would be lost", rv, ok)
		}
		l.Leave("a")
		time.Sleep(time.Hour)
		l.expire(time.Now()) // as Run does each hour
		if open().cursor == c.cursor {
			t.Error("cursor kept beyond its retention time")
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{uid1, uid3, "", "0", "007", "18446744073709551615", "9223372036854775807", "0A1B2C3D-0000-4000-8000-000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := newCursor(StreamID{}, nil)
		if got := c.formatLocked(c.uidLocked(s)); got != s {
			t.Errorf("UID %q comes back as %q", s, got)
		}
		if v := parseRV(s); v&unordered == 0 && strconv.FormatUint(uint64(v), 10) != s {
			t.Errorf("version %q is taken for the number %d", s, v)
		}
	})
}

// The stream observes a newer state while a worker takes the older one out of
// the queue: the ack of the older one must not let go of the newer one.
func TestAckOfAnOlderStateHoldsTheResumePoint(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a := Name{"ns", "a"}
	c.BeginSnapshot()
	endSnapshot(c, "10")
	c.Seen("10")
	first, _ := c.observe(a, at(uid1, 11), false, false)
	c.Seen("11")
	second, _ := c.observe(a, at(uid1, 12), false, false)
	c.begin(first, a, at(uid1, 11), false) // before the second is offered
	c.Seen("12")
	c.Ack(first, a, at(uid1, 11), false)
	if got := c.ResumePoint(); got != "10" {
		t.Errorf("ResumePoint() = %q with 12 unacked, want 10: what preceded 12 is not known any more", got)
	}
	c.begin(second, a, at(uid1, 12), false)
	c.Ack(second, a, at(uid1, 12), false)
	if got := c.ResumePoint(); got != "12" {
		t.Errorf("ResumePoint() = %q with all acked, want 12", got)
	}
}
