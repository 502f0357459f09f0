package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// unclaimed plays processes that are asked to replay streams that they have not claimed.
type unclaimed struct {
	t     *testing.T
	r     *rand.Rand
	store *testStore
	l     *Ledger
	end   func()

	cursors map[string]*Cursor // that this process has claimed, by stream
	asked   map[string]bool    // what it was asked for, and has not claimed
	// owed has what was confirmed, and whether the store has it with the cursor; at is the
	// number under which nothing is due that was before it.
	owed map[string]bool
	at   map[string]uint32
}

func (u *unclaimed) begin() {
	u.mend()
	l, err := inTerm(u.t, u.store, 1)
	if err != nil {
		u.t.Fatal(err)
	}
	l.Join("c")
	u.l, u.end = l, runLedger(u.t, l)
	u.cursors, u.asked = map[string]*Cursor{}, map[string]bool{}
}

// mend has the store take everything.
func (u *unclaimed) mend() {
	u.store.fail(nil)
	u.store.refuseIf(nil)
}

// halves has the store take what is kept, and nothing of a cursor, for a while.
func (u *unclaimed) halves() {
	u.store.fail(nil)
	u.store.refuseIf(func(all []Update) bool {
		return slices.ContainsFunc(all, func(one Update) bool { return one.Cursor != termKey })
	})
	time.Sleep(time.Minute)
}

// kill ends the process, which stores nothing more.
func (u *unclaimed) kill() {
	u.store.fail(errors.New("killed"))
	u.end()
	u.begin()
}

func (u *unclaimed) claim(stream string) {
	c, _ := u.l.Claim(Claiming{ID: StreamID{Cluster: "c", ClusterUID: uid1, Resource: stream, Route: "r"}, Digest: "digest"})
	before := c.head.Due
	u.l.TakeDueOf(c, stream)
	if u.asked[stream] && c.head.Due != before+1 {
		u.t.Errorf("what the process was asked for raises the number of %s from %d to %d", stream, before, c.head.Due)
	}
	delete(u.asked, stream)
	if _, owed := u.owed[stream]; owed && c.head.Due <= u.at[stream] {
		u.t.Errorf("a replay of %s was confirmed, and nothing is due", stream)
	}
	if u.owed[stream] && c.head.Due != before {
		u.t.Errorf("the store has all of a replay of %s, and it is raised once more", stream)
	}
	u.l.TakeDueOf(c, stream)
	if c.head.Due > before+1 {
		u.t.Errorf("a replay of %s is raised twice", stream)
	}
	u.cursors[stream] = c
}

func (u *unclaimed) ask(stream string) {
	if u.cursors[stream] != nil {
		return
	}
	if err := u.l.RaiseDueOf("c", stream, "r"); err != nil {
		u.t.Fatal(err)
	}
	u.asked[stream] = true
	delete(u.owed, stream)
	ctx, cancel := context.WithCancel(u.t.Context())
	defer cancel()
	u.mend()
	if u.r.IntN(3) == 0 {
		u.store.fail(errors.New("disk full"))
		cancel()
	}
	if err := u.l.Flush(ctx, "c"); err == nil {
		u.owed[stream], u.at[stream] = false, u.due(stream)
	}
}

// due is the number that the store has.
func (u *unclaimed) due(stream string) uint32 {
	for _, c := range u.l.all() {
		if c.ID().Resource == stream {
			return c.head.Due
		}
	}
	return 0
}

// flush has the store be in order, and all be stored.
func (u *unclaimed) flush() {
	u.mend()
	for _, flush := range []error{u.l.Flush(u.t.Context(), "c"), u.l.FlushKept(u.t.Context())} {
		if flush != nil {
			u.t.Fatal(flush)
		}
	}
	for stream := range u.owed {
		if u.cursors[stream] != nil {
			u.owed[stream] = true
		}
	}
}

// A replay of what nobody has claimed is kept from when it is confirmed until the store has it
// with the cursor, whatever fails between, and is not kept after that.
func TestReplaysOfWhatIsNotClaimed(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			u := &unclaimed{
				t: t, r: rand.New(rand.NewPCG(seed, 2)), store: &testStore{memStore: newMemStore()},
				owed: map[string]bool{}, at: map[string]uint32{},
			}
			u.begin()
			for range 40 {
				stream := fmt.Sprint("stream", u.r.IntN(3))
				switch u.r.IntN(7) {
				case 0, 1:
					u.ask(stream)
				case 2, 3:
					u.claim(stream)
				case 4:
					u.flush()
				case 5:
					u.halves()
				default:
					u.kill()
				}
				if t.Failed() {
					break
				}
			}
			for stream := range 3 {
				u.claim(fmt.Sprint("stream", stream))
			}
			u.flush()
			if kept := u.l.Kept(); len(kept) > 0 {
				t.Errorf("seed %d: %q is kept of what is claimed", seed, kept)
			}
			u.end()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What is kept for clusters that are not in the fleet any more goes; but not of one of which there
// are cursors: it may join when what lists the fleet answers again.
func TestReplaysOfClustersThatHaveLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &testStore{memStore: newMemStore()}
		l, err := inTerm(t, store, 1)
		if err != nil {
			t.Fatal(err)
		}
		end := runLedger(t, l)
		for _, cluster := range []string{"left", "unseen", "late", "here"} {
			l.Join(cluster)
			if err := l.RaiseDueOf(cluster, "pods", "r"); err != nil {
				t.Fatal(err)
			}
		}
		l.Claim(Claiming{ID: StreamID{Cluster: "late", ClusterUID: uid1, Resource: "pods", Route: "r"}})
		l.Leave("left")
		end()
		if l, err = inTerm(t, store, 1); err != nil {
			t.Fatal(err)
		}
		l.Join("here")
		has := func(cluster string) bool { return l.owesDue(cluster) && l.Kept()[keptDue+cluster] != "" }
		if has("left") || !has("unseen") || !has("late") || !has("here") {
			t.Errorf("kept after a restart: %q", l.Kept())
		}
		l.forgetDueOfOthers()
		if has("unseen") || !has("late") || !has("here") {
			t.Errorf("kept after an hour: %q", l.Kept())
		}
	})
}

// What is kept is bounded, and what does not fit changes nothing.
func TestReplaysOfWhatIsNotClaimedAreBounded(t *testing.T) {
	l, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var refused error
	for i := 0; refused == nil; i++ {
		if refused = l.RaiseDueOf("c", fmt.Sprint("stream", i), "a", "b"); i > MostKeptBytes {
			t.Fatal("any number of streams is kept")
		}
	}
	if n := len(l.due["c"]); n < 450 || n*len(dueID{}) != len(l.Kept()[keptDue+"c"]) {
		t.Errorf("%d are kept, in %d bytes", n, len(l.Kept()[keptDue+"c"]))
	}
	for i := range mostDueClusters - 1 {
		if err := l.RaiseDueOf(fmt.Sprint("c", i), strings.Repeat("long", 4096), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.RaiseDueOf("more", "pods", "a"); err == nil || len(l.Kept()) != mostDueClusters {
		t.Errorf("one more cluster: %v, %d are kept", err, len(l.Kept()))
	}
	if err := l.RaiseDueOf("c0", "pods", "a"); err != nil {
		t.Errorf("one more stream of a cluster of which some are kept: %v", err)
	}
}

// Of two replays that settings have changed between, the second is not forgotten when the first
// is stored with the cursor.
func TestAReplayIsAskedForAgainBeforeTheFirstIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unclaimed{t: t, store: &testStore{memStore: newMemStore()}, owed: map[string]bool{}}
		u.begin()
		defer func() { u.end() }()
		u.store.fail(errors.New("disk full"))
		for range 2 {
			if err := u.l.RaiseDueOf("c", "pods", "r"); err != nil {
				t.Fatal(err)
			}
			if u.cursors["pods"] == nil {
				u.claim("pods")
			}
		}
		u.flush()
		u.kill()
		u.asked["pods"] = true
		u.claim("pods")
	})
}
