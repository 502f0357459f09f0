package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func sorted(tombstones []Tombstone) (names []string) {
	slices.SortFunc(tombstones, func(a, b Tombstone) int { return cmp.Compare(a.Name.Name, b.Name.Name) })
	for _, t := range tombstones {
		names = append(names, fmt.Sprintf("%s %s@%s", t.Name.Name, t.Version.UID[len(t.Version.UID)-1:], t.Version.ResourceVersion))
	}
	return names
}

// Whatever a sink may hold gets a tombstone, until it is acked.
func TestRetire(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	deliver(t, c, Name{"ns", "acked"}, at(uid1, 10), false, true)
	deliver(t, c, Name{"ns", "newer"}, at(uid1, 11), false, true)
	deliver(t, c, Name{"ns", "gone"}, at(uid1, 12), false, true)
	deliver(t, c, Name{"ns", "deleting"}, at(uid1, 13), false, true)
	endSnapshot(c, "20")
	c.Seen("20")
	deliver(t, c, Name{"ns", "gone"}, at(uid1, 21), true, false)
	// A newer UID waits; a deletion is in work, and not to be told again; a first state
	// was handed over by a process that ended before it was acked.
	c.observe(Name{"ns", "newer"}, at(uid2, 22), false, false)
	working, _ := c.observe(Name{"ns", "deleting"}, at(uid1, 23), true, false)
	if _, _, err := beginAndWait(t.Context(), c, working, Name{"ns", "deleting"}, at(uid1, 23), true); err != nil {
		t.Fatal(err)
	}
	c.hold(Name{"ns", "held"}, at(uid2, 24))
	c.Seen("24")

	want := []string{"acked 1@24", "held 2@24", "newer 2@24"}
	first := retire(c)
	if diff := gocmp.Diff(want, sorted(first)); diff != "" {
		t.Errorf("tombstones (-want +got):\n%s", diff)
	}
	if resume := c.ResumePoint(); resume != "" {
		t.Errorf("resume point is %q: should the cluster come back, a watch would not show what was buried", resume)
	}
	acked := first[0]
	if _, known, err := beginAndWait(t.Context(), c, acked.Sequence, acked.Name, acked.Version, true); err != nil || !known {
		t.Errorf("Begin says known: %t, %v", known, err)
	}
	c.Ack(acked.Sequence, acked.Name, acked.Version, true)

	c.Rewind()                                                  // a restart
	want = []string{"deleting 1@24", "held 2@24", "newer 1@24"} // the same ids
	again := retire(c)
	if diff := gocmp.Diff(want, sorted(again)); diff != "" {
		t.Errorf("tombstones after a restart (-want +got):\n%s", diff)
	}
	again = retire(c) // interrupted: those that were offered are replaced
	for _, tomb := range again {
		ghosts, _, err := beginAndWait(t.Context(), c, tomb.Sequence, tomb.Name, tomb.Version, true)
		if err != nil || len(ghosts) != 0 {
			t.Errorf("%s: ghosts %v, %v", tomb.Name.Name, ghosts, err)
		}
		c.Ack(tomb.Sequence, tomb.Name, tomb.Version, true)
	}
	if s := c.Stats(); s.Known != 0 || c.Unacked() != 0 || s.Unacked != 0 {
		t.Errorf("left: %+v", s)
	}
}

// A replay delivers what is acked, and does not take it for gone.
func TestReplay(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	a, b := Name{"ns", "a"}, Name{"ns", "b"}
	c.BeginSnapshot()
	deliver(t, c, a, at(uid1, 10), false, true)
	deliver(t, c, b, at(uid2, 11), false, true)
	endSnapshot(c, "20")
	c.Seen("20")

	c.RaiseDue()
	c.BeginSnapshot()
	if _, known := deliver(t, c, a, at(uid1, 10), false, true); !known {
		t.Error("Begin does not say that it is known")
	}
	sequence, _ := c.observe(b, at(uid2, 11), false, true)
	if gone := endSnapshot(c, "30"); len(gone) != 0 {
		t.Errorf("tombstones: %v", gone)
	}
	c.Seen("30")
	if resume := c.ResumePoint(); resume != "" {
		t.Errorf("resume point is %q with b unacked, want none", resume)
	}
	if _, _, err := beginAndWait(t.Context(), c, sequence, b, at(uid2, 11), false); err != nil {
		t.Fatal(err)
	}
	c.Ack(sequence, b, at(uid2, 11), false)
	if resume := c.ResumePoint(); resume != "30" {
		t.Errorf("resume point is %q, want 30", resume)
	}
}

func TestLookupAndNames(t *testing.T) {
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	const n = 3*namesAtOnce + 7
	want := map[string]bool{}
	for i := range n {
		name := fmt.Sprint("object-", i)
		deliver(t, c, Name{"ns", name}, at(uid1, 10+i), false, true)
		want[name] = true
	}
	c.hold(Name{"ns", "held"}, at(uid2, 5))
	c.observe(Name{"ns", "observed"}, at(uid2, 6), false, true)
	want["held"] = true

	got := map[string]bool{}
	for name := range c.Names() {
		got[name.Name] = true
		// The workers go on.
		deliver(t, c, name, at(uid1, 1000+len(got)), true, true)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for range c.Names() {
		t.Error("a name is left")
	}

	deliver(t, c, Name{"ns", "a"}, at(uid3, 3000), false, true)
	deliver(t, c, Name{"ns", "opaque"}, Version{uid1, "opaque"}, false, true)
	c.observe(Name{"ns", "a"}, at(uid3, 3001), false, true)
	for _, test := range []struct {
		name           string
		acked          Version
		pending, known bool
	}{
		{"a", at(uid3, 3000), true, true},
		{"opaque", Version{UID: uid1}, false, true},
		{"observed", Version{}, true, false},
		{"object-1", Version{}, false, false},
	} {
		acked, pending, known := c.Lookup(Name{"ns", test.name})
		if acked != test.acked || pending != test.pending || known != test.known {
			t.Errorf("%s: %v, pending %t, known %t", test.name, acked, pending, known)
		}
	}
}

// TestRetiredTakesNothing: once it is told that all of a resource is gone, nothing of
// it takes room in the ledger, whether the resource ever comes back or not.
func TestRetiredTakesNothing(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	c.InvalidateResumePoint()
	s.commit(true)
	s.open() // in the middle of a snapshot
	s.ledger.Join("a")
	c, _ = s.claim("uid", "")
	for _, d := range retire(c) {
		c.begin(d.Sequence, d.Name, d.Version, true)
		c.Ack(d.Sequence, d.Name, d.Version, true)
	}
	s.commit(true)
	s.commit(true) // it is known now that the store has no resume point
	if c.usage.Objects != 0 || len(s.store.records[c.key]) != 0 {
		t.Errorf("%+v taken, %d records stored; want none", c.usage, len(s.store.records[c.key]))
	}

	c = newCursor(StreamID{}, nil) // without a store
	c.BeginSnapshot()
	deliver(t, c, pod(1), at20(1), false, true)
	endSnapshot(c, "30")
	c.Seen("30")
	for _, d := range retire(c) {
		c.begin(d.Sequence, d.Name, d.Version, true)
		c.Ack(d.Sequence, d.Name, d.Version, true)
	}
	if c.usage != (Usage{}) {
		t.Errorf("%+v taken without a store", c.usage)
	}
}
