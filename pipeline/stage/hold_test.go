package stage

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// What is held, and no sink has had, gives its memory to a lane that is not, whether somebody
// waits already or comes later. What is not held keeps it.
func TestWhatIsHeldGivesItsMemoryToOthers(t *testing.T) {
	for name, h := range map[string]queue.Hold[*pipeline.Change]{
		"lane": {All: true}, "item": {Items: func(c *pipeline.Change) bool { return c.UID == "u1" }}, "nothing": {},
	} {
		for _, waits := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				const size = 1 << 20
				r := rereader{&recorder{}}
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
				c.Object, c.Memory, c.Rests = make([]byte, size), loan, true
				for ok := true; ok; { // all else is taken
					_, ok = account.Try(budget.Ask{Own: 1 << 10})
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				got := make(chan budget.Loan, 1)
				want := func() {
					if l, err := account.Take(ctx, budget.Ask{Own: size / 2}); err == nil {
						got <- l
					}
				}
				if err := s.queue.Offer(ctx, c, 0); err != nil {
					t.Fatal(err)
				}
				if waits {
					go want()
					synctest.Wait()
				}
				s.queue.Hold(h)
				if !waits {
					go want()
				}
				time.Sleep(2 * time.Second) // who waits asks again each second
				synctest.Wait()
				if gave := len(got) == 1; gave != (name != "nothing") {
					t.Errorf("%s, %v: it gave its memory to others: %v", name, waits, gave)
				}
			})
		}
	}
}
