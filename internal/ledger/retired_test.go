package ledger

import (
	"slices"
	"testing"
	"time"
)

// TestRetiredAndBack: a sink was told that some of what it holds is gone when the
// process is killed, and then the cluster, or whoever follows the resource, is back.
// The sink gets all of it again, in another generation.
func TestRetiredAndBack(t *testing.T) {
	for _, when := range []string{"told", "stored since", "acked"} {
		t.Run(when, func(t *testing.T) {
			s := newStored(t)
			c, _ := s.claim("uid", "")
			s.fill(c)
			s.commit(true)
			for d := range c.Retire() {
				if _, _, unstored, _ := c.begin(d.Sequence, d.Name, d.Version, true); unstored {
					s.commit(false)
				}
				if when != "told" {
					s.commit(true)
				}
				if when == "acked" {
					c.Ack(d.Sequence, d.Name, d.Version, true)
				}
				break // killed once the sink has that
			}
			s.open()
			s.ledger.Join("a")
			c, _ = s.claim("uid", "")
			if from, ok := c.Start(); ok {
				t.Errorf("a watch from %s does not show what the sink was told to be gone", from)
			}
			c.BeginSnapshot()
			for i, v := range map[int]Version{1: at(uid3, 11), 2: at(uuid(2), 12)} {
				if o := c.Observe(pod(i), v, false, true, nil); o.Verdict != Deliver || o.Generation == 0 {
					t.Errorf("pod %d: verdict %v in generation %d", i, o.Verdict, o.Generation)
				}
			}
		})
	}
}

// TestWidenedWhileRetired: leave is taken of one namespace when all are followed. What
// waits of that is not handed over any more, and all is delivered again, also after a
// restart.
func TestWidenedWhileRetired(t *testing.T) {
	s := newStored(t)
	c := s.in("a", "a")
	objects := objectsIn("a")
	s.tell(c, objects)
	s.ledger.Watched("a", among(nil), nil)
	c = s.ledger.Unwatched("a", time.Now().Add(2*time.Hour))[0]
	var told []Tombstone
	for d := range c.Retire() {
		if told = append(told, d); len(told) == 1 { // a worker has it
			c.begin(d.Sequence, d.Name, d.Version, true)
		}
	}
	s.in("", "")
	if c.Owned() {
		t.Error("leave is still taken of what is another stream's now")
	}
	if _, _, _, superseded := c.begin(told[1].Sequence, told[1].Name, told[1].Version, true); !superseded {
		t.Error("a deletion that waited is handed over")
	}
	c.Ack(told[0].Sequence, told[0].Name, told[0].Version, true)
	s.commit(true)
	s.open()
	all := s.in("", "")
	all.BeginSnapshot()
	for n, v := range objects {
		if o := all.Observe(n, v, false, true, nil); o.Verdict != Deliver || o.Generation == 0 || o.Sequence < told[1].Sequence {
			t.Errorf("%v: %+v, the deletions end with %d", n, o, told[1].Sequence)
		}
	}
}

// TestUnwatchedForLong: once a sink has accepted that all of it is gone, the cursor is
// kept for as long as it was before, so that its generation goes on.
func TestUnwatchedForLong(t *testing.T) {
	s := newStored(t)
	c := s.in("", "")
	s.tell(c, objectsIn("a"))
	s.ledger.Watched("a", among(nil), nil)
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	if s.ledger.dropUnwatched(in(30 * time.Hour)); len(s.ledger.cursors) != 1 {
		t.Error("dropped although no sink was told that it is gone")
	}
	for _, c := range s.ledger.Unwatched("a", in(time.Hour)) {
		for d := range c.Retire() {
			c.begin(d.Sequence, d.Name, d.Version, true)
			c.Ack(d.Sequence, d.Name, d.Version, true)
		}
	}
	if left := s.ledger.Unwatched("a", in(time.Hour)); len(left) != 0 || len(s.ledger.UnwatchedObjects()) != 0 {
		t.Errorf("%d are still to be taken leave of, with %v", len(left), s.ledger.UnwatchedObjects())
	}
	if s.ledger.look(in(119 * time.Minute)); len(s.ledger.cursors) != 1 {
		t.Error("dropped before its time")
	}
	if s.ledger.look(in(121 * time.Minute)); len(s.ledger.cursors) != 0 {
		t.Error("kept for ever")
	}
}

// among tells which streams are some of those given, in whatever cluster of the name.
func among(ids []StreamID) func(StreamID) Following {
	return func(id StreamID) Following {
		if slices.ContainsFunc(ids, id.SameStream) {
			return Followed
		}
		return Unfollowed
	}
}
