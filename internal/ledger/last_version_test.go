package ledger

import "testing"

// TestDeletionWithTheLastVersion: API servers other than kube-apiserver need not
// give a deletion a version of its own.
func TestDeletionWithTheLastVersion(t *testing.T) {
	x, y := Name{"ns", "x"}, Name{"ns", "y"}
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	deliver(t, c, x, at(uid1, 10), false, true)
	endSnapshot(c, "20")
	c.Seen("20")
	for what, v := range map[string]Version{"older state": at(uid1, 9), "other object of that name": at(uid2, 10)} {
		if _, verdict := c.observe(x, v, true, false); verdict != Stale {
			t.Errorf("the deletion of an %s is %d, want stale", what, verdict)
		}
	}
	deliver(t, c, y, at(uid2, 21), false, false)
	c.Seen("21")
	deliver(t, c, y, at(uid2, 22), true, false)
	c.Seen("22")
	deliver(t, c, x, at(uid1, 10), true, false)
	c.Seen("10")

	// A watch from there would show y again, whose deletion is forgotten.
	if from := c.ResumePoint(); from != "22" {
		t.Errorf("a watch begins at %s again, want 22", from)
	}
	deliver(t, c, x, at(uid2, 23), false, false) // created again
}

// TestDeletionShownAgain: after a deletion without a version of its own a watch that
// is cut begins before it again, though what came after is on its way already.
func TestDeletionShownAgain(t *testing.T) {
	x := Name{"ns", "x"}
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	endSnapshot(c, "20")
	c.Seen("20")
	deliver(t, c, x, at(uid1, 21), false, false)
	c.Seen("21")
	deliver(t, c, x, at(uid1, 21), true, false)
	c.Seen("21")
	for range 2 { // cut before Seen, perhaps before it is in the queue
		if _, verdict := c.observe(x, at(uid2, 23), false, false); verdict != Deliver {
			t.Fatalf("the object that was created again: verdict %v", verdict)
		}
		if from, _ := c.Start(); from != "21" {
			t.Fatalf("a watch begins at %s, want 21", from)
		}
		if _, verdict := c.observe(x, at(uid1, 21), true, false); verdict != Stale {
			t.Errorf("the deletion that is shown again: verdict %v, want Stale", verdict)
		}
	}
	if _, verdict := c.observe(x, at(uid2, 23), true, false); verdict != Deliver {
		t.Errorf("the deletion of the newer object: verdict %v", verdict)
	}
	if _, verdict := c.observe(x, at(uid2, 23), false, false); verdict != Stale {
		t.Errorf("the state before its deletion: verdict %v, want Stale", verdict)
	}

	// A restored backup uses the numbers again.
	c.BeginSnapshot()
	endSnapshot(c, "10")
	c.Seen("10")
	if _, verdict := c.observe(x, at(uid3, 11), false, false); verdict != Deliver {
		t.Errorf("an object of the new history: verdict %v", verdict)
	}
}
