package ledger

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// full is a ledger whose cluster "a" may have two objects, and has them; its
// resume point 20 is stored.
func full(t *testing.T) (*stored, *Cursor) {
	s := newStored(t)
	s.ledger.Join("a")
	s.ledger.SetQuota("a", Quota{Objects: 2})
	c, _ := s.claim("uid", "")
	s.fill(c)
	s.commit(true)
	return s, c
}

func (s *stored) refused(c *Cursor, i int, v Version, deleted, snapshot bool) {
	s.Helper()
	if _, verdict := c.observe(pod(i), v, deleted, snapshot); verdict != Refused {
		s.Fatalf("%v: verdict %v, want Refused", v, verdict)
	}
}

func TestQuota(t *testing.T) {
	s, c := full(t)
	// What is new is refused; what is known goes on.
	s.refused(c, 3, at(uuid(3), 30), false, false)
	c.Seen("30")
	if start, ok := c.Start(); start != "30" || !ok || c.ResumePoint() != "" || !c.Partial() {
		t.Errorf("a watch from %q, %v, resume point %q, partial: %v", start, ok, c.ResumePoint(), c.Partial())
	}
	s.hand(c, 1, at(uid3, 31), false, false)
	s.hand(c, 2, at(uuid(22), 32), false, false) // another object of that name
	s.refused(c, 3, at(uuid(3), 33), true, false)
	c.Seen("33")
	if c.Room().Objects != 0 {
		t.Errorf("there is room for %+v", c.Room())
	}
	// A deletion makes room, once the store has no resume point that it precedes.
	s.hand(c, 2, at(uuid(22), 34), true, false)
	c.Seen("34")
	s.commit(true)
	s.commit(true)
	if c.Room().Objects != 1 || len(c.deleted) != 0 {
		t.Errorf("room for %+v; %d deletions remembered", c.Room(), len(c.deleted))
	}
	s.hand(c, 4, at(uuid(4), 35), false, false)
	c.Seen("35")
	s.refused(c, 5, at(uuid(5), 36), false, false)
	c.Seen("36")
	s.commit(true)

	// A restart takes a snapshot, which refuses too, and tells what is gone.
	s.open()
	s.ledger.SetQuota("a", Quota{Objects: 2})
	c, _ = s.claim("uid", "")
	if _, ok := c.Start(); ok {
		t.Fatal("a watch may start although something was refused")
	}
	c.BeginSnapshot()
	s.refused(c, 5, at(uuid(5), 36), false, true)
	if _, verdict := c.observe(pod(4), at(uuid(4), 35), false, true); verdict != Duplicate {
		t.Errorf("of a known one: %v", verdict)
	}
	gone := endSnapshot(c, "40")
	if len(gone) != 1 || gone[0].Name != pod(1) {
		t.Fatalf("gone: %v", gone)
	}
	c.Seen("40")
	c.begin(gone[0].Sequence, pod(1), gone[0].Version, true)
	c.Ack(gone[0].Sequence, pod(1), gone[0].Version, true)
	s.wantKnown(c, "", 1)

	// With room for all there is a resume point again.
	if !s.ledger.SetQuota("a", Quota{Objects: 3}) || s.ledger.SetQuota("a", Quota{Objects: 2}) || !s.ledger.SetQuota("a", Quota{}) {
		t.Error("SetQuota does not tell what is more")
	}
	c.BeginSnapshot()
	s.hand(c, 5, at(uuid(5), 36), false, true)
	if _, verdict := c.observe(pod(4), at(uuid(4), 35), false, true); verdict != Duplicate {
		t.Errorf("of a known one: %v", verdict)
	}
	endSnapshot(c, "41")
	c.Seen("41")
	s.wantKnown(c, "41", 2)
}

// A deletion that a stored resume point has not passed stays in the store, though
// the cursor has forgotten it: the process may end before that is stored.
func TestForgottenTogetherWithTheResumePoint(t *testing.T) {
	s, c := full(t)
	s.hand(c, 2, at(uuid(2), 30), true, false)
	s.commit(false)
	s.refused(c, 3, at(uuid(3), 31), false, false)
	s.refused(c, 3, at(uuid(3), 31), false, false)
	c.Seen("31")
	s.store.failing = true
	if err := s.ledger.writer.commit(t.Context(), true); err == nil {
		t.Fatal("it does not fail")
	}
	s.store.failing = false
	sequence, _ := c.observe(pod(1), at(uuid(11), 32), false, false)
	c.begin(sequence, pod(1), at(uuid(11), 32), false)
	s.commit(false) // a note, and what it takes along

	s.open()
	c, _ = s.claim("uid", "")
	if start, ok := c.Start(); ok && start == "20" {
		if _, verdict := c.observe(pod(2), at(uuid(2), 25), false, false); verdict != Stale {
			t.Errorf("a watch from %s revives what was deleted: %v", start, verdict)
		}
	}
}

// All cursors of a cluster share its quota, and one that is dropped gives back
// what it took, for good.
func TestQuotaIsTheClusters(t *testing.T) {
	s, c := full(t)
	other, _ := s.ledger.claimAs(StreamID{Cluster: "a", ClusterUID: "uid", Resource: "secrets"}, "")
	s.refused(other, 1, at(uuid(1), 5), false, false)
	elsewhere, _ := s.ledger.claimAs(StreamID{Cluster: "b", ClusterUID: "uid", Resource: "secrets"}, "")
	s.hand(elsewhere, 1, at(uuid(1), 5), false, false)
	sequence, _ := c.observe(pod(1), at(uid3, 50), true, false)
	s.ledger.Drop(c.ID())
	c.begin(sequence, pod(1), at(uid3, 50), true)
	c.Ack(sequence, pod(1), at(uid3, 50), true)
	if u := s.ledger.Clusters()[0].Usage; u != (Usage{}) {
		t.Errorf("%+v is left of a dropped cursor", u)
	}
	s.hand(other, 1, at(uuid(1), 6), false, false)
	s.commit(true)
	s.open()
	s.ledger.Join("a")
	want := Usage{Objects: 1, Bytes: SizeOf(pod(1))}
	if u := s.ledger.Clusters()[0].Usage; u != want {
		t.Errorf("after a restart %+v, want %+v", u, want)
	}
	s.ledger.Leave("a")
	if all := s.ledger.Clusters(); len(all) != 0 {
		t.Errorf("a cluster that has left is told of: %+v", all)
	}
	for _, c := range s.ledger.all() {
		s.ledger.Drop(c.ID())
	}
	s.commit(true) // until then the store may have them
	if n := len(s.ledger.clusters); n != 0 {
		t.Errorf("%d clusters are kept", n)
	}
}

// Bytes bound what long names and UIDs take.
func TestQuotaOfBytes(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	long := strings.Repeat("u", 200)
	s.ledger.SetQuota("a", Quota{Bytes: 1000})
	n := 0
	for ; ; n++ {
		v := Version{long + uuid(n), "5"}
		sequence, verdict := c.observe(pod(n), v, false, true)
		if verdict == Refused {
			break
		}
		c.begin(sequence, pod(n), v, false)
		c.Ack(sequence, pod(n), v, false)
	}
	if used := c.recount(); n < 2 || n > 4 || used.Bytes > 1300 || used != c.usage {
		t.Errorf("%d objects of 300 bytes take %+v", n, used)
	}
	// Those that are refused leave nothing.
	for i := range 1000 {
		s.refused(c, n+i, Version{long + uuid(n+i), "5"}, false, true)
	}
	if len(c.nonUUIDs) != n {
		t.Errorf("%d UIDs are remembered of %d objects", len(c.nonUUIDs), n)
	}
}

func TestClusterMetrics(t *testing.T) {
	s, _ := full(t)
	s.ledger.Join("b")
	s.ledger.writer.record(&part{cluster: s.ledger.clusters["b"], err: errors.New("too large")})
	c := NewClusterCollector(s.ledger.Clusters)
	want := `
# HELP fairlead_ledger_cluster_objects Objects of the cluster that the ledger knows: accepted, being delivered, or deleted not long ago.
# TYPE fairlead_ledger_cluster_objects gauge
fairlead_ledger_cluster_objects{cluster="a"} 2
fairlead_ledger_cluster_objects{cluster="b"} 0
# HELP fairlead_ledger_cluster_objects_max Maximum of fairlead_ledger_cluster_objects. Absent without a bound.
# TYPE fairlead_ledger_cluster_objects_max gauge
fairlead_ledger_cluster_objects_max{cluster="a"} 2
# HELP fairlead_ledger_cluster_up 1 if the store accepts the data of the cluster, 0 while it does not and the cluster's delivery pauses.
# TYPE fairlead_ledger_cluster_up gauge
fairlead_ledger_cluster_up{cluster="a"} 1
fairlead_ledger_cluster_up{cluster="b"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "fairlead_ledger_cluster_objects",
		"fairlead_ledger_cluster_objects_max", "fairlead_ledger_cluster_bytes_max", "fairlead_ledger_cluster_up"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
