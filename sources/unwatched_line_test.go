package sources

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// Leave of a cursor is due, but it is not its turn yet: then its objects are followed in
// another API group.
func TestUnwatchedInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := ledgerOf(t), &server{uid: "a"}
		h := startOn(t, l, "configmaps", "events")
		h.sources.Set(a.member("m"))
		time.Sleep(time.Minute)
		h.stop()
		l.Leave("m")
		h = startOn(t, l, "configmaps")
		h.sources.Set(a.member("m"))
		time.Sleep(time.Second)
		h.queue.told()
		r := h.sources.members["m"]
		time.Sleep(3*time.Minute - 2*time.Second)
		due := h.sources.unwatched(r, time.Now().Add(time.Minute))
		if len(due) != 1 {
			t.Fatal(len(due))
		}
		id := due[0].ID()
		id.Resource = "events.events.k8s.io"
		h.sources.claimed(r, Spec{Resource: "configmaps"}, []ledger.StreamID{id})
		h.sources.retire(context.Background(), r, h.sources.routes()[0], due[0])
		if told := h.queue.told(); len(told) > 0 {
			t.Errorf("told %v, though it is followed in the other group", told)
		}
	})
}
