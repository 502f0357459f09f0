package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An object was deleted and created again, both were handed over as one, and the
// process was killed before their ack was stored. The watch that resumes shows the
// deletion first: handing that over would delete the new object at the sinks, which
// have it, before it is told of again.
func TestWhatCameBeforeANotedUIDIsStale(t *testing.T) {
	a := Name{"ns", "a"}
	restarted := func(t *testing.T) *Cursor {
		c := newCursor(StreamID{}, nil)
		c.BeginSnapshot()
		endSnapshot(c, "5")
		c.Seen("5")
		deliver(t, c, a, at(uid1, 6), false, false)
		c.Seen("6")
		c.observe(a, at(uid1, 7), true, false)
		c.Seen("7")
		sequence, _ := c.observe(a, at(uid2, 8), false, false)
		c.Seen("8")
		if _, _, err := beginAndWait(t.Context(), c, sequence, a, at(uid2, 8), false); err != nil {
			t.Fatal(err)
		}
		c.Rewind()
		if resume, ok := c.Start(); resume != "6" || !ok {
			t.Fatalf("resumes from %q", resume)
		}
		return c
	}

	c := restarted(t)
	if _, verdict := c.observe(a, at(uid1, 7), true, false); verdict != Stale {
		t.Errorf("the deletion of the first UID: verdict %v, want Stale", verdict)
	}
	c.Seen("7")
	if got := c.ResumePoint(); got != "7" {
		t.Errorf("resume point %q, want 7: what is stale is over", got)
	}
	ghosts, _ := deliver(t, c, a, at(uid2, 8), false, false)
	if diff := cmp.Diff([]string{uid1}, ghosts); diff != "" {
		t.Errorf("ghosts of the second UID: %s", diff)
	}

	// A snapshot does not lie about what there is, whatever was noted.
	c = restarted(t)
	c.BeginSnapshot()
	if ghosts, _ := deliver(t, c, a, at(uid1, 7), false, true); !cmp.Equal(ghosts, []string{uid2}) {
		t.Errorf("ghosts of the first UID, listed: %v, want the second", ghosts)
	}
	// Another UID in between, which nobody was told of.
	c = restarted(t)
	if _, verdict := c.observe(a, at("33333333-0000-4000-8000-000000000003", 7), false, false); verdict != Stale {
		t.Errorf("a UID in between: verdict %v, want Stale", verdict)
	}
}
