package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// tables is a destination with two consumers: one has a row for each UID, and the other one
// for each name, ordered by term and sequence, which drops what has an id that it had. Some
// deletions it puts away at first, which counts as accepted.
type tables struct {
	mu     sync.Mutex
	refuse bool // deletions
	away   []*pipeline.Event
	byUID  map[types.UID]string
	byName map[string]*pipeline.Event
	ids    map[string]bool
	bad    []string
	told   []string // since the last look
}

func (d *tables) Deliver(_ context.Context, tell func(int, error), changes ...*pipeline.Change) error {
	d.mu.Lock()
	for _, c := range changes {
		e, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
		if err != nil {
			d.bad = append(d.bad, err.Error())
			continue
		}
		if d.refuse && c.Op == pipeline.Deleted {
			d.away = append(d.away, &e)
			continue
		}
		d.told = append(d.told, fmt.Sprintf("%s %s@%s", c.Op, c.UID, c.ResourceVersion))
		if c.Op == pipeline.Deleted {
			delete(d.byUID, c.UID)
		} else {
			d.byUID[c.UID] = c.ResourceVersion
		}
		had := d.byName[c.Key.Name]
		if !d.ids[e.ID] && (had == nil || cmp.Or(cmp.Compare(e.Term, had.Term), cmp.Compare(e.Sequence, had.Sequence)) > 0) {
			d.byName[c.Key.Name] = &e
		}
		d.ids[e.ID] = true
	}
	d.mu.Unlock()
	for i := range changes {
		tell(i, nil)
	}
	return nil
}

// has compares what both consumers have of the name a with a state, and what was told since.
func (d *tables) has(t *testing.T, state string, told ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byName["a"]
	if is := fmt.Sprintf("%s@%s", e.UID(), e.ResourceVersion); e.Op() == pipeline.Deleted || is != state {
		t.Errorf("by name there is %s %s, want %s", e.Op(), is, state)
	}
	for uid, version := range d.byUID {
		if is := fmt.Sprintf("%s@%s", uid, version); is != state {
			t.Errorf("by UID there is %s beside %s", is, state)
		}
	}
	if len(d.byUID) != 1 || len(d.bad) > 0 {
		t.Errorf("%d rows by UID; %q", len(d.byUID), d.bad)
	}
	if !slices.Equal(d.told, told) {
		t.Errorf("told %q, want %q", d.told, told)
	}
	d.told = nil
}

// takenByAnother has a sink put away the deletion of uid-1, whose name uid-2 takes. The sink
// takes deletions from then on.
func takenByAnother(t *testing.T, test func(h *harness, d *tables, body *fakeBody)) {
	synctest.Test(t, func(t *testing.T) {
		q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
		d := &tables{refuse: true, byUID: map[types.UID]string{}, byName: map[string]*pipeline.Event{}, ids: map[string]bool{}}
		endStage := runStage(t, q, d)
		h := start(t, func(o *Options) { o.Routes[0].Queue, o.Term = q, 3 })
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a@uid-1", 1), endMark("10"))
		synctest.Wait()
		body.send(event("DELETED", "a@uid-1", 11))
		synctest.Wait()
		body.send(event("ADDED", "a@uid-2", 12), mark("15"))
		synctest.Wait()
		d.mu.Lock()
		d.refuse, d.told = false, nil
		if len(d.away) != 1 || len(d.byUID) != 2 {
			t.Errorf("%d deletions were put away, %d rows", len(d.away), len(d.byUID))
		}
		d.mu.Unlock()
		test(h, d, body)
		if err := h.stop(); err != nil {
			t.Error(err)
		}
		endStage()
		q.ShutDown()
	})
}

// The deletion of a UID whose name another one has by now is sent before that one's state,
// which a snapshot reads: whoever has rows, by UID or by name, ends up with what exists.
func TestADeletionIsSentAgainAlthoughItsNameIsTaken(t *testing.T) {
	takenByAnother(t, func(h *harness, d *tables, _ *fakeBody) {
		if _, err := h.stream.Redeliver(h.t.Context(), "a", d.away[0]); !errors.Is(err, ErrNameTaken) {
			t.Errorf("sent as it was: %v", err)
		}
		r, err := h.stream.RedeliverGhost("a", d.away[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.stream.Redeliver(h.t.Context(), "a", d.away[0]); !errors.Is(err, ErrNotNow) {
			t.Errorf("while a snapshot is to begin: %v", err)
		}
		h.call("streaming list").open().send(event("ADDED", "a@uid-2", 12), endMark("15"))
		d.has(t, "uid-2@12", "deleted uid-1@12", "updated uid-2@12")
		if !isSettled(r) {
			t.Error("it is not settled")
		}
		h.wantAtRest("15")
	})
}

// What has the name has changed, or is gone, when the snapshot begins.
func TestWhatHasTheNameHasChanged(t *testing.T) {
	takenByAnother(t, func(h *harness, d *tables, _ *fakeBody) {
		if _, err := h.stream.RedeliverGhost("a", d.away[0]); err != nil {
			t.Fatal(err)
		}
		h.call("streaming list").open().send(event("ADDED", "a@uid-2", 16), endMark("16"))
		d.has(t, "uid-2@16", "deleted uid-1@16", "updated uid-2@16")
		h.wantAtRest("16")
	})
	takenByAnother(t, func(h *harness, d *tables, _ *fakeBody) {
		r, err := h.stream.RedeliverGhost("a", d.away[0])
		if err != nil {
			t.Fatal(err)
		}
		h.call("streaming list").open().send(event("ADDED", "b@uid-3", 17), endMark("18"))
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.byUID) != 1 || d.byUID["uid-3"] == "" || !isSettled(r) {
			t.Errorf("rows by UID: %v, settled %v", d.byUID, isSettled(r))
		}
	})
}

// The stream runs no more when the object is to be read: the ledger knows what is owed.
func TestADeletionThatIsInterruptedIsOwed(t *testing.T) {
	takenByAnother(t, func(h *harness, d *tables, _ *fakeBody) {
		if _, err := h.stream.RedeliverGhost("a", d.away[0]); err != nil {
			t.Fatal(err)
		}
		h.call("streaming list")
		if err := h.stop(); err != nil {
			t.Error(err)
		}
		h.ledger.Leave("c")
		h.run()
		h.call("streaming list").open().send(event("ADDED", "a@uid-2", 12), endMark("15"))
		d.has(t, "uid-2@12", "deleted uid-1@12", "updated uid-2@12")
	})
}

// A member that is away holds up nobody: nothing is noted.
func TestADeletionOfAMemberThatIsAway(t *testing.T) {
	takenByAnother(t, func(h *harness, d *tables, body *fakeBody) {
		body.end()
		h.call("watch from 15").reply(403, status(403, "Forbidden", "not allowed"))
		synctest.Wait()
		if _, err := h.stream.RedeliverGhost("a", d.away[0]); err == nil || errors.Is(err, ErrNotNow) || !strings.Contains(err.Error(), "not connected") {
			t.Errorf("error %v", err)
		}
		if _, ok := h.cursor().Start(); !ok {
			t.Error("a snapshot is to begin")
		}
	})
}

// wantAtRest waits until nothing is under way any more.
func (h *harness) wantAtRest(resume string) {
	h.t.Helper()
	time.Sleep(time.Minute)
	synctest.Wait()
	if s := h.stream.Status(); s.Unacked != 0 || s.Known != 1 || h.cursor().ResumePoint() != resume {
		h.t.Errorf("%d unacked, %d known, resume point %q, want %q", s.Unacked, s.Known, h.cursor().ResumePoint(), resume)
	}
}
