package stage

import (
	"errors"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"k8s.io/apimachinery/pkg/types"
)

// Each answer is told, before the change is let go.
func TestAnswersAreObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("no")
		r := &recorder{refuse: map[types.UID]error{"u1": no}}
		s := newTestStage(t, r)
		got := map[types.UID]Delivery{}
		s.observe = func(d Delivery) { got[d.Change.UID] = d }
		began := time.Now()
		dead := testChange(r, "u3")
		dead.DeadLettered = true // by the destination
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"), testChange(r, "u2"), dead)); err != nil {
			t.Fatal(err)
		}
		if len(got) != 3 || got["u2"].DeadLettered || !got["u3"].DeadLettered || got["u1"].Refused == nil || got["u2"].Refused != nil || got["u2"].Began != began {
			t.Errorf("observed %+v", got)
		}
	})
}
