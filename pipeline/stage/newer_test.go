package stage

import (
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
)

// Of two states of an object the queue keeps the one with the higher number, in whatever order
// they come: one that is sent again may come after a newer one.
func TestTheNewestStateIsKept(t *testing.T) {
	state := func(sequence uint64) *pipeline.Change {
		c := testChange(nil, "u1")
		c.Sequence = sequence
		return c
	}
	for name, order := range map[string][]uint64{"in order": {2, 4, 6}, "the newest first": {6, 4, 2}, "the newest between": {4, 6, 2}} {
		t.Run(name, func(t *testing.T) {
			q := NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{})
			defer q.ShutDown()
			for _, sequence := range order {
				if err := q.Offer(t.Context(), state(sequence), 0); err != nil {
					t.Fatal(err)
				}
			}
			c, _ := q.Get()
			if c.Sequence != 6 || q.Len() != 0 {
				t.Errorf("number %d is handed out, and %d are left; want 6 and none", c.Sequence, q.Len())
			}
			q.Add(state(4)) // older than the one in work
			q.Done(c)
			if q.Len() != 0 {
				t.Error("an older state follows the newest")
			}
		})
	}
}
