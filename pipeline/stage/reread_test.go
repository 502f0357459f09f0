package stage

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// rereader is a recorder whose objects can be read again.
type rereader struct{ *recorder }

func (r rereader) Reread(c *pipeline.Change) { r.note("reread " + string(c.UID)) }

// A refused change gives its memory to those who wait for some, whether they do already or
// come later. It comes back without its object, which is asked for until it comes; then it
// goes to the sink as if nothing had been.
func TestARefusedChangeGivesItsMemoryToOthers(t *testing.T) {
	for name, waits := range map[string]bool{"who waits already": true, "who comes later": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 1 << 20
				r := rereader{&recorder{refuse: map[types.UID]error{"u1": pipeline.RetryAfter(errors.New("no"), time.Minute)}}}
				s := newTestStage(t, r.recorder)
				b := budget.New(0, 1, size)
				share := b.Route()
				share.OnPressure(s.queue.Evict)
				account := share.Account("a")
				defer account.Close()
				loan, err := account.Take(t.Context(), budget.Ask{Own: size + pipeline.ChangeOverhead})
				if err != nil {
					t.Fatal(err)
				}
				c := testChange(r, "u1")
				c.Object, c.Memory, c.Sequence, c.Refusals = make([]byte, size), loan, 2, 7
				var others []budget.Loan
				for l, ok := account.Try(budget.Ask{Own: 1 << 10}); ok; l, ok = account.Try(budget.Ask{Own: 1 << 10}) {
					others = append(others, l)
				}
				got := make(chan budget.Loan, 1)
				want := func() {
					l, err := account.Take(t.Context(), budget.Ask{Own: size / 2})
					if err != nil {
						t.Error(err)
					}
					got <- l
				}
				in := s.bundleOf(c)
				if waits {
					go want()
					synctest.Wait()
				}
				if err := s.work(t.Context(), in); err != nil {
					t.Fatal(err)
				}
				if !waits {
					if c.Object == nil {
						t.Fatal("it gave its memory to nobody")
					}
					go want()
				}
				synctest.Wait()
				if len(got) != 1 {
					t.Fatalf("somebody waits for the memory of what is refused: %+v", b.Stats())
				}
				if c.Object != nil || c.Evicted != size || c.Size() != pipeline.ChangeOverhead {
					t.Errorf("it keeps %d bytes, and has %d evicted", c.Size(), c.Evicted)
				}
				r.happened(t, "begin u1", "updated u1")

				time.Sleep(2 * time.Minute)
				for range 2 {
					if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
						t.Fatal(err)
					}
					r.happened(t, "begin u1", "reread u1")
					time.Sleep(2 * time.Minute)
				}
				if n := testutil.ToFloat64(s.metrics.reread.WithLabelValues("a")); n != 2 {
					t.Errorf("%v counted, want 2", n)
				}
				in = s.bundleOf() // the one without its object is in work
				again := *in.parts[0].change
				again.Object, again.Evicted, again.Memory = make([]byte, size), 0, budget.Loan{}
				delete(r.refuse, "u1")
				s.queue.Queue.Add(&again)
				if err := s.work(t.Context(), in); err != nil {
					t.Fatal(err)
				}
				if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
					t.Fatal(err)
				}
				r.happened(t, "begin u1", "reread u1", "begin u1", "updated u1", "ack u1")
				if again.Refusals != 8 || s.Refused() != nil {
					t.Errorf("%d refusals; refused %+v", again.Refusals, s.Refused())
				}
				for i := range others {
					others[i].Release()
				}
				l := <-got
				l.Release()
				if st := b.Stats(); st.Held != 0 {
					t.Errorf("left is %+v", st)
				}
			})
		})
	}
}

// The last state of what is deleted cannot be read again: its deletion goes on without.
// What nobody reads again keeps what it has.
func TestEvictedDeletionBecomesATombstone(t *testing.T) {
	for name, test := range map[string]struct {
		tracker pipeline.Tracker
		op      pipeline.Op
		evicted int
		gone    bool
	}{
		"deletion":            {rereader{}, pipeline.Deleted, 0, true},
		"state":               {rereader{}, pipeline.Updated, 3, true},
		"nobody reads it":     {&recorder{}, pipeline.Updated, 0, false},
		"nor its deletion":    {&recorder{}, pipeline.Deleted, 0, false},
		"nobody knows of any": {nil, pipeline.Updated, 0, false},
	} {
		c := testChange(test.tracker, "u1")
		c.Op, c.Object, c.Together = test.op, []byte("{ }"), budget.NewTogether(2)
		if c.Evict(); c.Object == nil {
			t.Errorf("%s: evicted while a sink may have it", name)
		}
		c.Rests = true
		c.Evict()
		if c.Evicted != test.evicted || c.Object == nil != test.gone || c.Together == nil != test.gone ||
			c.Tombstone != (test.gone && test.op == pipeline.Deleted) {
			t.Errorf("%s: %+v", name, c)
		}
		was := *c
		c.Evict()
		if diff := cmp.Diff(was.Evicted, c.Evicted); diff != "" || c.Tombstone != was.Tombstone {
			t.Errorf("%s: evicted twice: %s", name, diff)
		}
	}
}

// A change whose object has another state by now leaves its lane, and is neither delivered
// nor acked: what fills the lane may be what the watch that tells of that state waits for.
func TestMovedChangeMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rereader{&recorder{}}
		s := newTestStage(t, r.recorder)
		c := testChange(r, "u1")
		c.Evicted, c.Moved, c.Sequence = 1, true, 2
		if err := s.work(t.Context(), s.bundleOf(c)); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1")
		for _, l := range s.queue.Lanes() {
			if l.Live+l.Snapshot+l.Delayed+l.InFlight != 0 {
				t.Errorf("left is %+v", l)
			}
		}
	})
}
