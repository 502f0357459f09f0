package ledger

import (
	"fmt"
	"testing"
	"time"
)

// byID is a sink of one object that drops for ever what has an id that it had before.
type byID struct {
	*stored
	had map[string]bool
	has string
}

func newByID(t *testing.T) *byID { return &byID{stored: newStored(t), had: map[string]bool{}} }

func (b *byID) get(v Version, deleted bool, generation uint32) {
	id := fmt.Sprint(v, deleted, generation)
	if b.had[id] {
		return
	}
	b.had[id] = true
	if b.has = v.ResourceVersion; deleted {
		b.has = ""
	}
}

// deliver takes what is observed to the sink; with an ack, or not.
func (b *byID) deliver(c *Cursor, v Version, snapshot, ack bool) {
	o := c.Observe(pod(1), v, false, snapshot, nil)
	if o.Verdict != Deliver {
		return
	}
	c.begin(o.Sequence, pod(1), v, false)
	b.commit(true)
	if b.get(v, false, o.Generation); ack {
		c.Ack(o.Sequence, pod(1), v, false)
	}
}

func (b *byID) snapshot(c *Cursor, v Version) {
	c.BeginSnapshot()
	if v.UID != "" {
		b.deliver(c, v, true, true)
	}
	endSnapshot(c, "20")
	c.Seen("20")
	b.commit(true)
}

func (b *byID) retire(c *Cursor) {
	for d := range c.Retire() {
		c.begin(d.Sequence, d.Name, d.Version, true)
		b.commit(true)
		b.get(d.Version, true, d.Generation)
		c.Ack(d.Sequence, d.Name, d.Version, true)
	}
}

func (b *byID) wants(version string) {
	b.Helper()
	if b.has != version {
		b.Errorf("the sink has %q, want %q", b.has, version)
	}
}

// A cluster is replaced by another one, and that by the first again.
func TestIDsOfAClusterThatIsBack(t *testing.T) {
	b := newByID(t)
	for i, uid := range []string{"A", "B", "A"} {
		c, former := b.ledger.claimAs(StreamID{Cluster: "a", ClusterUID: uid, Resource: "pods"}, "digest", []string{"B", "A", "B"}[i])
		for _, f := range former {
			b.retire(f)
			b.ledger.Drop(f.ID())
		}
		v := at(uid3, 11)
		if uid == "B" {
			v = Version{}
		}
		b.snapshot(c, v)
	}
	b.wants("11")
	b.stop() // what is dropped since has left a trace in the store
	if n := b.ledger.firstGeneration(); n == 0 {
		t.Error("a new cursor begins with the first generation")
	}
}

// Leave was taken of a resource, it is forgotten, and followed again.
func TestIDsOfAResourceThatIsBack(t *testing.T) {
	b := newByID(t)
	b.snapshot(b.in("", ""), at(uid3, 11))
	b.ledger.Watched("a", among(nil), nil)
	for _, c := range b.ledger.Unwatched("a", time.Now().Add(time.Hour)) {
		b.retire(c)
	}
	if b.ledger.look(time.Now().Add(121 * time.Minute)); len(b.ledger.cursors) != 0 {
		t.Fatal("it is not forgotten")
	}
	b.commit(true)
	b.snapshot(b.in("", ""), at(uid3, 11))
	b.wants("11")
}

// The same versions are delivered in another form.
func TestIDsOfAnotherForm(t *testing.T) {
	b := newByID(t)
	for generation, form := range []string{"whole of v1", "whole of v1", "metadata of v1"} {
		c := b.reach()
		c.SetForm(form)
		c.BeginSnapshot()
		o := c.Observe(pod(1), at(uid3, 11), false, true, nil)
		if want := uint32(generation / 2); o.Verdict == Deliver && o.Generation != want {
			t.Errorf("%s: generation %d, want %d", form, o.Generation, want)
		}
		if o.Verdict == Deliver {
			c.begin(o.Sequence, pod(1), at(uid3, 11), false)
			c.Ack(o.Sequence, pod(1), at(uid3, 11), false)
		}
		endSnapshot(c, "20")
		c.Seen("20")
		b.stop()
	}
}

// After a kill a dead letter is sent again before what came behind it is observed.
func TestIDsBehindARetryAfterAKill(t *testing.T) {
	b := newByID(t)
	c := b.reach()
	b.fill(c) // 11 is acked: it is a dead letter
	b.commit(true)
	b.deliver(c, at(uid3, 30), false, false)
	c = b.reach()
	_, sequence, err := c.Redeliver(pod(1), at(uid3, 11), false)
	if err != nil {
		t.Fatal(err)
	}
	c.begin(sequence, pod(1), at(uid3, 11), false)
	b.commit(true)
	b.get(at(uid3, 11), false, 0)
	c.Ack(sequence, pod(1), at(uid3, 11), false)
	b.deliver(c, at(uid3, 30), false, true)
	b.wants("30")
}

// A version before this one has noted that all may have been told to be gone, and not
// that all is due then.
func TestRetiredByAVersionBefore(t *testing.T) {
	s := newStored(t)
	c := s.reach()
	s.fill(c)
	c.head.Told, c.headDirty = true, true
	c.invalidateResumePointLocked()
	s.commit(true)
	if got := s.fillAgain(s.reach(), 2); got != 2 {
		t.Errorf("%d of 2 are delivered", got)
	}
}

// The store was restored from a copy: numbers go on above those that sinks hold.
func TestNumbersAreNotBelowTheClock(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		r.snapshotted()
		time.Sleep(time.Hour)
		now := uint64(time.Now().UnixMicro())
		if c := r.restart(); c.numberLocked() <= now {
			t.Error("it is below the clock")
		}
	})
}

// A sink has refused the deletion of a UID for good, and has accepted what took its name. The
// process is killed before that is stored: if the sink accepts the deletion then, what has the
// name comes behind it under an id that it has not had.
func TestIDBehindADeletionThatWasRefused(t *testing.T) {
	b := newByID(t)
	c := b.reach()
	b.snapshot(c, at(uid3, 10))
	took := at(uuid(7), 30)
	b.deliver(c, took, false, false) // without the deletion
	b.wants("30")

	c = b.reach()
	o := c.Observe(pod(1), took, false, false, nil)
	ghosts, _, _, _ := c.begin(o.Sequence, pod(1), took, false)
	if len(ghosts) != 1 {
		t.Fatalf("ghosts %q", ghosts)
	}
	b.get(Version{ghosts[0], took.ResourceVersion}, true, o.Generation)
	b.get(took, false, o.Generation)
	b.wants("30")
}
