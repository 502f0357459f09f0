package ledger

import "testing"

// TestDeletionWithTheLastVersion: API servers other than kube-apiserver need not
// give a deletion a version of its own.
func TestDeletionWithTheLastVersion(t *testing.T) {
	x, y := Name{"ns", "x"}, Name{"ns", "y"}
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	deliver(t, c, x, at(uid1, 10), false, true)
	c.EndSnapshot("20")
	c.Seen("20")
	for what, v := range map[string]Version{"older state": at(uid1, 9), "other object of that name": at(uid2, 10)} {
		if _, verdict := c.Observe(x, v, true, false); verdict != Stale {
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
