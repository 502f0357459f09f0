package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// shunning is a transaction of which the destination refuses everything for a while.
type shunning struct {
	*transaction
	each time.Duration // longer than its own writes
	last time.Duration // for how long it refuses

	mu     sync.Mutex
	armed  bool // it begins when next a half of a batch with poison is accepted
	search bool // the last write had poison in it
	till   time.Time
}

func (s *shunning) Write(ctx context.Context, all []*pipeline.Change) error {
	time.Sleep(s.each)
	if s.shuns(all) {
		time.Sleep(20 * time.Millisecond)
		return pipeline.Permanent(errors.New("404 page not found"))
	}
	return s.transaction.Write(ctx, all)
}

func (s *shunning) shuns(all []*pipeline.Change) bool {
	poison := len(s.poisoned(all, errNoReason)) > 0
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed && s.search && !poison && len(all) > 1 {
		s.armed, s.till = false, time.Now().Add(s.last)
		return false // this one is accepted yet
	}
	s.search = poison
	return time.Now().Before(s.till)
}

// shun has it refuse everything: at once, or in the middle of the search for poison.
func (s *shunning) shun(inSearch bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed = inSearch; !inSearch {
		s.till = time.Now().Add(s.last)
	}
}

// apart returns how many clusters have something apart now, and how many all.
func (b *Batcher) apart() (some, whole int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, c := range b.suspects.clusters {
		if now.Before(c.whole) {
			whole++
		}
	}
	return len(b.suspects.names(now)), whole
}

// When a destination has refused everything for a while, be it that this begins or ends in the
// middle of a batch, no cluster is to blame for it.
func TestWhoHasRefusedEverythingSuspectsNextToNobody(t *testing.T) {
	for name, test := range map[string]struct {
		each, last time.Duration
		clusters   int
		inSearch   bool
	}{
		"5 s":              {0, 5 * time.Second, 200, false},
		"5 s, in a search": {0, 5 * time.Second, 200, true},
		"60 s, slow":       {180 * time.Millisecond, time.Minute, 400, false},
		"10 clusters":      {0, 5 * time.Second, 10, false},
		"10, in a search":  {0, 5 * time.Second, 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				of := &transaction{}
				sink := &shunning{transaction: of, each: test.each, last: test.last}
				f := startFleetOn(t, of, sink, Options{}, ratelimit.Limit{QPS: 200, Burst: 400})
				for i := range test.clusters {
					f.feed(fmt.Sprint("good-", i), "object", 0, time.Duration(test.clusters)*time.Millisecond) // 1000/s
				}
				time.Sleep(10 * time.Second)
				sink.shun(test.inSearch)
				if test.inSearch {
					f.feed("bad-0", "poison", 0, time.Hour)
				}
				most, mostWhole := 0, 0
				for range 4 * int(test.last/time.Second) {
					time.Sleep(time.Second / 2)
					some, whole := f.batcher.apart()
					most, mostWhole = max(most, some), max(mostWhole, whole)
				}
				of.begin()
				time.Sleep(20 * time.Second)
				good, worst := of.of("good-")
				t.Logf("apart %d clusters, %d as a whole; accepted %d of 20000 within %v", most, mostWhole, good, worst)
				if most > 1+mostFound || mostWhole > 1 {
					t.Errorf("apart were changes of %d clusters, all of %d", most, mostWhole)
				}
				f.end()
			})
		})
	}
}
