package ledger

import (
	"slices"
	"testing"
)

func TestOutside(t *testing.T) {
	n := Name{"ns", "a"}
	outside := func(rv int, more State) State {
		more.Version, more.Outside = at(uid1, rv), true
		return more
	}
	c := newCursor(StreamID{}, nil)
	see(t, c, n, outside(10, State{}), Filtered)
	see(t, c, n, outside(10, State{Deleted: true}), Filtered)
	if s := c.Stats(); s.Known != 0 || s.Unacked != 0 {
		t.Errorf("%+v of what is not selected", s)
	}
	accept(t, c, n, watched(uid1, 11, 0))
	c.BeginSnapshot()
	see(t, c, n, outside(12, State{Snapshot: true}), Filtered)
	if got := endSnapshot(c, "13"); len(got) != 1 {
		t.Fatalf("the sweep of what the snapshot shows outside of the selection has found %v", got)
	} else {
		c.begin(got[0].Sequence, n, got[0].Version, true)
		c.Ack(got[0].Sequence, n, got[0].Version, true)
	}
	c.Seen("13")

	accept(t, c, n, watched(uid1, 14, 0))
	o := see(t, c, n, outside(15, State{}), Deliver)
	c.begin(o.Sequence, n, at(uid1, 15), true)
	see(t, c, n, outside(16, State{}), Filtered) // its deletion is on its way
	see(t, c, n, outside(17, State{Deleted: true}), Filtered)
	c.Ack(o.Sequence, n, at(uid1, 15), true)
	if c.Stats().Known != 0 {
		t.Error("the object has left, and is known")
	}
	see(t, c, n, watched(uid1, 14, 0), Stale)
	see(t, c, n, outside(18, State{}), Filtered)
	accept(t, c, n, watched(uid1, 19, 0)) // and has come back
	see(t, c, n, outside(20, State{Deleted: true}), Deliver)

	held := Name{"ns", "held"}
	c.hold(held, at(uid2, 5))
	see(t, c, held, State{Version: at(uid2, 21), Outside: true}, Deliver)
	waiting := Name{"ns", "waiting"}
	see(t, c, waiting, State{Version: at(uid2, 22)}, Deliver)
	see(t, c, waiting, State{Version: at(uid2, 23), Outside: true}, Deliver)
}

// What a snapshot shows outside of the selection, only because it is a snapshot, is not
// gone.
func TestOutsideInASnapshotAlone(t *testing.T) {
	kept, replaced, lacking, waiting := Name{"ns", "kept"}, Name{"ns", "replaced"}, Name{"ns", "lacking"}, Name{"ns", "waiting"}
	c := newCursor(StreamID{}, nil)
	for _, n := range []Name{kept, replaced, lacking} {
		accept(t, c, n, watched(uid1, 10, 0))
	}
	see(t, c, waiting, watched(uid1, 11, 0), Deliver)
	c.BeginSnapshot()
	for n, u := range map[Name]string{kept: uid1, replaced: uid2, waiting: uid1, {"ns", "unknown"}: uid1} {
		see(t, c, n, State{Version: at(u, 12), Snapshot: true, Outside: true, Stays: true}, Filtered)
	}
	var gone []string
	for _, tombstone := range endSnapshot(c, "13") {
		gone = append(gone, tombstone.Name.Name)
	}
	if slices.Sort(gone); !slices.Equal(gone, []string{"lacking", "replaced"}) {
		t.Errorf("deleted are %q", gone)
	}
}

// A frame that could not be handed over is observed again. If it says that an object has
// left the selection, it is a deletion again, as if the object were gone.
func TestDeletionThatWasNotHandedOverIsObservedAgain(t *testing.T) {
	n := Name{"ns", "a"}
	for name, s := range map[string]State{
		"gone":               {Deleted: true},
		"left":               {Outside: true},
		"gone, and had left": {Deleted: true, Outside: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCursor(StreamID{}, nil)
			accept(t, c, n, watched(uid1, 10, 0))
			s.Version = at(uid1, 11)
			first := see(t, c, n, s, Deliver)
			again := see(t, c, n, s, Deliver)
			if again.Sequence <= first.Sequence {
				t.Errorf("sequence %d after %d", again.Sequence, first.Sequence)
			}
			if _, _, _, superseded := c.begin(again.Sequence, n, s.Version, true); superseded {
				t.Error("the deletion is not delivered")
			}
			c.Ack(again.Sequence, n, s.Version, true)
			if c.Seen("11"); c.Stats().Known != 0 || c.Stats().Unacked != 0 || c.ResumePoint() != "11" {
				t.Errorf("%+v, and the resume point is %q", c.Stats(), c.ResumePoint())
			}
		})
	}
}
