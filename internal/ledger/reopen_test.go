package ledger

import (
	"testing"
	"time"
)

// Reopen forgets what a restart forgets: a change that is begun and not acked is observed
// again, handles of before count no more, and a cluster that does not join has left.
func TestReopen(t *testing.T) {
	s := newStored(t)
	l := s.ledger
	l.Join("a")
	l.Join("gone")
	id := StreamID{Cluster: "a", ClusterUID: "uid", Resource: "pods", Route: "one"}
	c, _ := l.Claim(Claiming{ID: id})
	gone, _ := l.Claim(Claiming{ID: StreamID{Cluster: "gone", ClusterUID: "other", Resource: "pods", Route: "one"}})
	v, n := Version{"u1", "5"}, Name{Name: "x"}
	seq := c.Observe(n, v, false, false, nil).Sequence
	c.Seen("5")
	if _, _, _, superseded := c.begin(seq, n, v, false); superseded {
		t.Fatal("superseded")
	}

	l.Reopen([]string{"one", "two"})
	if c.Owned() || gone.Owned() {
		t.Error("a handle of before counts")
	}
	if got := l.Clusters(); len(got) != 0 {
		t.Errorf("clusters are in the fleet: %+v", got)
	}
	l.Join("a")
	again, _ := l.Claim(Claiming{ID: id})
	if stats := again.Stats(); stats.Unacked != 0 {
		t.Errorf("%d changes are pending", stats.Unacked)
	}
	c.Ack(seq, n, v, false)
	if stats := again.Stats(); stats.Known != 1 { // the intent: the sink may have it
		t.Errorf("%d objects are known", stats.Known)
	}
	if verdict := again.Observe(n, v, false, false, nil).Verdict; verdict != Deliver {
		t.Errorf("the change is observed again: %v", verdict)
	}
	l.look(time.Now().Add(2 * time.Hour))
	if again.missingFor((*head).left, time.Now()) >= 0 {
		t.Error("a cluster that has joined has left")
	}
	if l.cursors[gone.ID()] != nil {
		t.Error("a cluster that has not joined for the retention is remembered")
	}

	l.Reopen([]string{"two"})
	l.look(time.Now())
	if again.missingFor((*head).routeGone, time.Now()) < 0 {
		t.Error("a sink that was taken out is not missing")
	}
}
