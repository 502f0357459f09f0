package stream

import (
	"slices"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// next takes the changes that wait, by name.
func (h *harness) next(n int) []*pipeline.Change {
	h.t.Helper()
	synctest.Wait()
	if got := len(h.queue.changes); got != n {
		h.t.Fatalf("%d changes wait, want %d; status: %+v", got, n, h.stream.Status())
	}
	var changes []*pipeline.Change
	for range n {
		changes = append(changes, <-h.queue.changes)
	}
	slices.SortFunc(changes, func(a, b *pipeline.Change) int {
		if a.Key.Name < b.Key.Name {
			return -1
		}
		return 1
	})
	return changes
}

func (h *harness) deliver(changes ...*pipeline.Change) {
	h.t.Helper()
	for _, c := range changes {
		begin(c)
		c.Origin.Tracker.Ack(c)
	}
	synctest.Wait()
}

// wantGone checks tombstones of a cluster, one per name.
func (h *harness) wantGone(changes []*pipeline.Change, cluster string, want ...string) {
	h.t.Helper()
	for i, c := range changes {
		if got := describe(c); got != want[i] || c.Origin.ClusterUID != cluster {
			h.t.Errorf("change is %q of %s, want %q of %s", got, c.Origin.ClusterUID, want[i], cluster)
		}
	}
}

// Nothing of the new cluster is offered before sinks have accepted that all of
// the old one is gone.
func TestAnotherClusterUnderTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "b", 11), event("ADDED", "c", 12))
		h.next(2) // taken by workers whose sinks are down: c is not known by name yet
		h.conn.renew(t, "cluster-2")
		h.quiet(retireAgain / 3)
		s := h.wantState(member.Syncing)
		if s.Reason != "cluster_replaced" {
			t.Errorf("status: %+v", s)
		}
		gone := h.next(3)
		h.wantGone(gone, "cluster-1", "deleted a uid-a@12 snapshot tombstone nothing",
			"deleted b uid-b@12 snapshot tombstone nothing", "deleted c uid-c@12 snapshot tombstone nothing")
		h.deliver(gone[:2]...)
		h.quiet(retireAgain / 3)
		h.deliver(gone[2])
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a@new", 1), endMark("2"))
		added := h.next(1)
		if got := describe(added[0]); got != "added a new@1 snapshot" || added[0].Origin.ClusterUID != "cluster-2" {
			t.Errorf("change is %q of %s", got, added[0].Origin.ClusterUID)
		}
		h.deliver(added...)
		if s := h.wantState(member.Live); s.Known != 1 || s.Reason != "" || s.Snapshots["no_resume_point"] != 2 {
			t.Errorf("status: %+v", s)
		}
		_, former := h.ledger.Claim(ledger.Claiming{ID: h.cursor().ID()})
		if len(former) != 0 {
			t.Errorf("%d former cursors are left", len(former))
		}
	})
}

// What has lost its place in the queue is told again, until it is accepted.
func TestTakingLeaveIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.conn.renew(t, "cluster-2")
		gone := h.next(2)
		h.deliver(gone[0])
		for range 2 {
			h.quiet(retireAgain)
			gone = h.next(1)
			h.wantGone(gone, "cluster-1", "deleted b uid-b@10 snapshot tombstone nothing")
		}
		h.deliver(gone...)
		h.call("streaming list").open().send(endMark("1"))
		h.wantState(member.Live)
	})
}

// A restart in the middle goes on with what is not accepted, and a second
// cluster that comes before the first is taken leave of changes nothing.
func TestTakingLeaveIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.conn.renew(t, "cluster-2")
		gone := h.next(2)
		h.deliver(gone[0])
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.ledger.Leave("c") // what a restart forgets
		h.conn.renew(t, "cluster-3")
		h.run()
		gone = h.next(1)
		h.wantGone(gone, "cluster-1", "deleted b uid-b@10 snapshot tombstone nothing")
		h.conn.renew(t, "cluster-4") // while it waits
		gone = h.next(1)
		h.wantGone(gone, "cluster-1", "deleted b uid-b@10 snapshot tombstone nothing")
		h.deliver(gone...)
		h.call("streaming list").open().send(endMark("1"))
		if s := h.wantState(member.Live); s.Known != 0 || s.Unacked != 0 {
			t.Errorf("status: %+v", s)
		}
	})
}

// A name that was moved by mistake: the old cluster is back before all of its
// objects were reported gone. Those that were must come again, also after a
// restart; which these are, nobody knows after kill -9, so all do.
func TestTheOldClusterIsBack(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.live()
				h.conn.renew(t, "cluster-2")
				gone := h.next(2)
				h.deliver(gone[0])
				if restart {
					if err := h.stop(); err != nil {
						t.Fatal(err)
					}
					h.ledger.Leave("c")
				}
				h.conn.renew(t, "cluster-1")
				if restart {
					h.run()
				}
				h.call("streaming list").open().send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10"))
				h.want(true, "added a uid-a@1 snapshot", "updated b uid-b@2 snapshot") // the deletion of b is not to be handed over any more
				if _, _, superseded := gone[1].Origin.Tracker.Begin(gone[1]); !superseded {
					t.Error("it may be handed over")
				}
				if s := h.wantState(member.Live); s.Known != 2 || s.Unacked != 0 {
					t.Errorf("status: %+v", s)
				}
			})
		})
	}
}

// The same cluster, named by its UID once that may be read.
func TestClusterThatGetsItsUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) {
			c := o.Connection.(*fakeConnection)
			c.session.UID, c.session.Digest = "digest-1", "digest-1"
		})
		h.live()
		h.conn.renew(t, "cluster-1")
		h.conn.mu.Lock()
		h.conn.session.Digest = "digest-1"
		h.conn.mu.Unlock()
		body := h.call("watch from 10").open()
		body.send(event("MODIFIED", "a", 11))
		c := h.next(1)
		if c[0].Origin.ClusterUID != "cluster-1" {
			t.Errorf("origin is %+v", c[0].Origin)
		}
	})
}
