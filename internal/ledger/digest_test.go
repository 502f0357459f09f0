package ledger

import (
	"runtime"
	"testing"
)

// see observes a state with a digest, and wants a verdict of it.
func see(t *testing.T, c *Cursor, n Name, s State, want Verdict) Observation {
	t.Helper()
	o := c.ObserveState(n, s, nil)
	if o.Verdict != want {
		t.Fatalf("%v of digest %d: verdict %v, want %v", s.Version, s.Digest, o.Verdict, want)
	}
	return o
}

// accept takes a state with a digest through ObserveState, begin and Ack.
func accept(t *testing.T, c *Cursor, n Name, s State) {
	t.Helper()
	o := see(t, c, n, s, Deliver)
	if _, _, _, superseded := c.begin(o.Sequence, n, s.Version, s.Deleted); superseded {
		t.Fatalf("%v is superseded", s.Version)
	}
	c.Ack(o.Sequence, n, s.Version, s.Deleted)
	c.Seen(s.Version.ResourceVersion)
}

func watched(u string, rv int, digest uint64) State { return State{Version: at(u, rv), Digest: digest} }

func listed(u string, rv int, digest uint64) State {
	return State{Version: at(u, rv), Digest: digest, Snapshot: true}
}

func TestUnchanged(t *testing.T) {
	n := Name{"ns", "a"}
	c := newCursor(StreamID{}, nil)
	c.BeginSnapshot()
	accept(t, c, n, listed(uid1, 10, 7)) // the first state, whatever counts
	endSnapshot(c, "10")
	c.Seen("10")

	see(t, c, n, watched(uid1, 11, 7), Unchanged)
	see(t, c, n, watched(uid1, 12, 7), Unchanged)
	if acked, pending, _ := c.Lookup(n); pending || acked != at(uid1, 10) {
		t.Errorf("what is acked is %v, pending %v; the sink has version 10", acked, pending)
	}
	if c.Seen("12"); c.ResumePoint() != "12" {
		t.Errorf("the resume point is %q", c.ResumePoint())
	}
	see(t, c, n, watched(uid1, 10, 7), Duplicate)
	see(t, c, n, watched(uid1, 9, 7), Stale)
	see(t, c, n, State{Version: at(uid1, 13)}, Deliver) // without a digest everything counts
}

func TestWhatIsNeverUnchanged(t *testing.T) {
	n := Name{"ns", "a"}
	for _, x := range []struct {
		name string
		then func(*testing.T, *Cursor)
		s    State
	}{
		{"another digest", func(*testing.T, *Cursor) {}, watched(uid1, 11, 8)},
		{"another UID", func(*testing.T, *Cursor) {}, watched(uid2, 11, 7)},
		{"a deletion", func(*testing.T, *Cursor) {}, State{Version: at(uid1, 11), Deleted: true, Digest: 7}},
		{"a pending state", func(t *testing.T, c *Cursor) { see(t, c, n, watched(uid1, 11, 8), Deliver) }, watched(uid1, 12, 7)},
		{"an unacked UID", func(t *testing.T, c *Cursor) { c.hold(n, at(uid2, 9)) }, watched(uid1, 12, 7)},
		{"all is due", func(_ *testing.T, c *Cursor) { c.RaiseDue(); c.BeginSnapshot() }, listed(uid1, 11, 7)},
		{"an older version in a snapshot", func(_ *testing.T, c *Cursor) { c.BeginSnapshot() }, listed(uid1, 9, 7)},
		{"after a deletion", func(t *testing.T, c *Cursor) { accept(t, c, n, State{Version: at(uid1, 11), Deleted: true}) }, watched(uid1, 12, 7)},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newCursor(StreamID{}, nil)
			accept(t, c, n, watched(uid1, 10, 7))
			x.then(t, c)
			see(t, c, n, x.s, Deliver)
		})
	}
	t.Run("what lingers", func(t *testing.T) {
		s := newStored(t)
		c, _ := s.claim(uid1, "")
		accept(t, c, n, watched(uid1, 10, 7))
		o := see(t, c, n, watched(uid1, 11, 8), Deliver)
		c.begin(o.Sequence, n, at(uid1, 11), false)
		c, _ = s.claim(uid1, "")
		see(t, c, n, watched(uid1, 12, 7), Deliver)
	})
}

// A state that changed nothing since what was acked while it waited is not delivered:
// else a heartbeat that is observed while a change is in work is one more change, and so
// on for as long as deliveries take longer than heartbeats.
func TestWaitingStateIsUnchangedInTheEnd(t *testing.T) {
	n := Name{"ns", "a"}
	prepare := func(t *testing.T) (c *Cursor, first, second Observation) {
		c = newCursor(StreamID{}, nil)
		accept(t, c, n, watched(uid1, 10, 7))
		first = see(t, c, n, watched(uid1, 11, 8), Deliver)
		c.begin(first.Sequence, n, at(uid1, 11), false)
		second = see(t, c, n, watched(uid1, 12, 8), Deliver)
		c.Seen("12")
		return c, first, second
	}
	t.Run("acked", func(t *testing.T) {
		c, first, second := prepare(t)
		c.Ack(first.Sequence, n, at(uid1, 11), false)
		if _, _, _, superseded := c.begin(second.Sequence, n, at(uid1, 12), false); !superseded {
			t.Error("the heartbeat is delivered")
		}
		if got := c.Stats().Unacked; got != 0 || c.ResumePoint() != "12" {
			t.Errorf("%d are unacked, the resume point is %q", got, c.ResumePoint())
		}
		see(t, c, n, watched(uid1, 13, 8), Unchanged)
		see(t, c, n, watched(uid1, 14, 7), Deliver)
	})
	t.Run("not acked", func(t *testing.T) {
		c, _, second := prepare(t)
		if _, _, _, superseded := c.begin(second.Sequence, n, at(uid1, 12), false); superseded {
			t.Error("nobody knows whether the sink has the state before")
		}
	})
	t.Run("back to what was acked, and something else was begun", func(t *testing.T) {
		c, _, _ := prepare(t)
		third := see(t, c, n, watched(uid1, 13, 7), Deliver)
		if _, _, _, superseded := c.begin(third.Sequence, n, at(uid1, 13), false); superseded {
			t.Error("the sink may have the state between")
		}
		c.Ack(third.Sequence, n, at(uid1, 13), false)
		see(t, c, n, watched(uid1, 14, 7), Unchanged)
	})
	t.Run("acked while a newer one waits", func(t *testing.T) {
		c, first, _ := prepare(t)
		third := see(t, c, n, watched(uid1, 13, 9), Deliver)
		c.Ack(first.Sequence, n, at(uid1, 11), false)
		if got := c.acked.digest([]byte(third.name)); got != 8 {
			t.Errorf("the digest of what is acked is %d, want 8", got)
		}
	})
}

// What a process handed over that was killed is not known to the next one. A watch
// shows it again; a snapshot may show that nothing has changed since what was acked,
// although the sink has a state between.
func TestAfterAKillSnapshotsRelyOnNoDigest(t *testing.T) {
	n := Name{"ns", "a"}
	kill := func(t *testing.T) (s *stored, c *Cursor) {
		s = newStored(t)
		c, _ = s.claim(uid1, "")
		c.BeginSnapshot()
		accept(t, c, n, listed(uid1, 10, 7))
		endSnapshot(c, "10")
		c.Seen("10")
		s.commit(true)
		o := see(t, c, n, watched(uid1, 11, 8), Deliver)
		c.begin(o.Sequence, n, at(uid1, 11), false) // and the sink has it
		s.commit(true)
		s.open()
		c, _ = s.claim(uid1, "")
		return s, c
	}
	t.Run("watch", func(t *testing.T) {
		_, c := kill(t)
		see(t, c, n, watched(uid1, 11, 8), Deliver)
		o := see(t, c, n, watched(uid1, 12, 7), Deliver)
		if _, _, _, superseded := c.begin(o.Sequence, n, at(uid1, 12), false); superseded {
			t.Error("the sink may have the state between")
		}
	})
	t.Run("snapshot", func(t *testing.T) {
		_, c := kill(t)
		c.BeginSnapshot()
		see(t, c, n, listed(uid1, 12, 7), Deliver)
	})
	t.Run("snapshot of a later process", func(t *testing.T) {
		s, c := kill(t)
		c.BeginSnapshot()
		see(t, c, n, listed(uid1, 12, 7), Deliver)
		endSnapshot(c, "12")
		c.Seen("12")
		s.stop() // in order, but nothing was acked
		c, _ = s.claim(uid1, "")
		c.BeginSnapshot()
		accept(t, c, n, listed(uid1, 12, 7))
		endSnapshot(c, "12")
		c.Seen("12")
		s.stop()
		c, _ = s.claim(uid1, "")
		c.BeginSnapshot()
		see(t, c, n, listed(uid1, 13, 7), Unchanged)
	})
	t.Run("snapshot after a watch that has caught up", func(t *testing.T) {
		s, c := kill(t)
		accept(t, c, n, watched(uid1, 11, 8))
		c.CaughtUp()
		c.Seen("12")
		s.stop()
		c, _ = s.claim(uid1, "")
		c.BeginSnapshot()
		see(t, c, n, listed(uid1, 13, 8), Unchanged)
	})
}

// Digests outlive a process, are learned from what is observed again, and are forgotten
// when something else counts.
func TestDigestsAreStored(t *testing.T) {
	n := Name{"ns", "a"}
	s := newStored(t)
	claim := func(changed string) *Cursor {
		c, _ := s.ledger.Claim(Claiming{ID: StreamID{Cluster: "a", ClusterUID: uid1, Resource: "pods"}, Selection: Selection{Changed: changed}})
		return c
	}
	snapshot := func(c *Cursor, digest uint64, want Verdict) {
		t.Helper()
		c.BeginSnapshot()
		if o := see(t, c, n, listed(uid1, 10, digest), want); want == Deliver {
			c.begin(o.Sequence, n, at(uid1, 10), false)
			c.Ack(o.Sequence, n, at(uid1, 10), false)
		}
		endSnapshot(c, "10")
		c.Seen("10")
	}
	c := claim("")
	snapshot(c, 0, Deliver)
	s.stop()
	c = claim("spec")
	if _, ok := c.Start(); ok {
		t.Error("another notion of change needs a snapshot: the sink may lack what did not count")
	}
	snapshot(c, 7, Duplicate)
	s.stop()
	c = claim("spec")
	see(t, c, n, watched(uid1, 11, 7), Unchanged)
	s.stop()
	c = claim("status")
	c.BeginSnapshot()
	see(t, c, n, listed(uid1, 11, 7), Deliver)
	s.stop()
	c = claim("spec") // again: what was stored under it says nothing any more
	c.BeginSnapshot()
	see(t, c, n, listed(uid1, 11, 7), Deliver)
}

// A version of this program that does not know digests leaves them out, and loses that they
// can be relied on.
func TestDigestsThatAnEarlierVersionHasIgnored(t *testing.T) {
	n := Name{"ns", "a"}
	s := newStored(t)
	c, _ := s.claim(uid1, "")
	accept(t, c, n, watched(uid1, 10, 7))
	c.Seen("10")
	for _, c := range s.ledger.all() {
		c.close()
		c.head.Digests, c.headDirty = false, true
	}
	s.commit(true)
	s.open()
	c, _ = s.claim(uid1, "")
	see(t, c, n, watched(uid1, 11, 7), Deliver)
}

// A state that is asked for once more, because the sink may not have it, is no measure of
// what is unchanged; and who waits for it learns that a later one is acked.
func TestStateIsNotSettledWhileTheAckedOneIsRedelivered(t *testing.T) {
	n := Name{"ns", "a"}
	c := newCursor(StreamID{}, nil)
	accept(t, c, n, watched(uid1, 10, 7))
	r, _, err := c.Redeliver(n, at(uid1, 10), false)
	if err != nil {
		t.Fatal("the acked state cannot be sent again:", err)
	}
	see(t, c, n, watched(uid1, 11, 8), Deliver)
	back := see(t, c, n, watched(uid1, 12, 7), Deliver)
	if _, _, _, superseded := c.begin(back.Sequence, n, at(uid1, 12), false); superseded {
		t.Fatal("the state is settled, and the sink may have neither it nor the acked one")
	}
	c.Ack(back.Sequence, n, at(uid1, 12), false)
	select {
	case <-r.Settled():
		if !r.Acked() {
			t.Error("settled without an ack")
		}
	default:
		t.Error("the redelivery waits for ever")
	}
}

// Eight bytes for each object, and nothing where no digest is used.
func TestHeapOfDigests(t *testing.T) {
	const n, most = 40_000, 9
	c := newCursor(StreamID{}, nil)
	fill(t, c, n)
	if c.acked.digests.n != 0 {
		t.Errorf("%d digests without any", c.acked.digests.n)
	}
	before := heap()
	for o := range c.acked.all() {
		c.acked.setDigest([]byte(o.name), 7)
	}
	each := float64(heap()-before) / n
	if each > most {
		t.Errorf("%.1f bytes more for each object, want at most %d", each, most)
	}
	t.Logf("%.2f bytes more for each object", each)
	runtime.KeepAlive(c)
}

// Digests follow their objects when these move in the index.
func TestDigestsFollowTheirObjects(t *testing.T) {
	o := newObjects()
	key := func(i int) []byte { return appendName(nil, pod(i)) }
	for i := range 1000 {
		o.put(object{name: name(key(i))})
		if i%3 > 0 {
			o.setDigest(key(i), uint64(i))
		}
	}
	for i := 0; i < 1000; i += 7 {
		o.remove(key(i))
	}
	for i := range 1000 {
		want := uint64(0)
		if i%3 > 0 && i%7 > 0 {
			want = uint64(i)
		}
		if got := o.digest(key(i)); got != want {
			t.Fatalf("the digest of %d is %d, want %d", i, got, want)
		}
	}
}

// A digest of which only the part that is not kept says something is a digest still.
func TestDigestsThatAreKept(t *testing.T) {
	for digest, want := range map[uint64]uint64{0: 0, 1: 1, 1<<56 - 1: 1<<56 - 1, 1 << 60: 1, 3<<60 | 7: 7} {
		if got := KeptDigest(digest); got != want || keep(digest).number() != want {
			t.Errorf("of %x is kept %x, and %x is read; want %x", digest, got, keep(digest).number(), want)
		}
	}
}
