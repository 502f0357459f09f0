package batch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// bounded is a transaction of which the destination fails if it is of more than most changes.
type bounded struct {
	*transaction
	most   int
	why    error
	failed int
}

func (s *bounded) Write(ctx context.Context, all []*pipeline.Change) error {
	if len(all) > s.most {
		time.Sleep(20 * time.Millisecond)
		s.failed++
		return s.why
	}
	return s.transaction.Write(ctx, all)
}

// A write apart that is too large for the destination is not tried again and again.
func TestWhatIsTooLargeApartStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := &transaction{}
		sink := &bounded{transaction: of, most: 64, why: errors.New("deadline exceeded")}
		f := startFleetOn(t, of, sink, Options{ReconnectMin: 100 * time.Millisecond, ReconnectMax: 30 * time.Second}, ratelimit.Limit{QPS: 2000, Burst: 4000})
		f.feedGood(4)
		f.feed("bad-0", "object", 0, 2*time.Millisecond)
		f.feed("bad-0", "poison", 2, 100*time.Millisecond)
		for range 4 {
			of.begin()
			time.Sleep(20 * time.Second)
			good, worst := of.of("good-")
			bad, _ := of.of("bad-")
			if good < 2000*9/10 || worst > 5*time.Second || bad == 0 {
				t.Errorf("accepted of the others %d of 2000 changes, within %v, and %d of the bad cluster", good, worst, bad)
			}
			t.Logf("good %d within %v, bad %d", good, worst, bad)
		}
		f.end()
	})
}

// Who refuses for good what is too large gets batches of half the size.
func TestWhoRefusesWhatIsTooLargeGetsLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := &transaction{}
		sink := &bounded{transaction: of, most: 64, why: pipeline.Permanent(errors.New("too many"))}
		f := startFleetOn(t, of, sink, Options{}, ratelimit.Limit{QPS: 2000, Burst: 4000})
		for i := range 4 {
			f.feed(fmt.Sprint("good-", i), "object", 0, time.Millisecond)
		}
		for range 3 {
			of.begin()
			time.Sleep(20 * time.Second)
			good, _ := of.of("good-")
			t.Logf("accepted %d of 64000 that it can take, failed %d writes", good, sink.failed)
			if good < 64000*8/10 {
				t.Errorf("accepted %d changes, want nearly all of 64000", good)
			}
		}
		f.end()
	})
}
