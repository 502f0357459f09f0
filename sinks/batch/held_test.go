package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// New changes that are refused in many clusters cost the others the searches' and the known ones'
// share, and one write each time that a batch is refused with others: a sink that can do 500/s
// does nine tenths of 7/8 of that for the others at least.
func TestSearchesInManyClustersHaveOneShare(t *testing.T) {
	const warm, last = 3 * time.Minute, 7 * time.Minute
	rate := map[int]float64{}
	for _, bad := range []int{0, 20, 100} {
		synctest.Test(t, func(t *testing.T) {
			sink := &transaction{each: 2 * time.Millisecond}
			f := startFleet(t, sink, Options{}, ratelimit.Limit{QPS: 200, Burst: 400})
			for i := range 11 {
				f.feed(fmt.Sprint("good-", i), "object", 0, 12*time.Millisecond) // 917/s of 500/s
			}
			for i := range bad {
				f.sources.Go(func() { // not all at the same time
					select {
					case <-time.After(time.Duration(i) * time.Minute / time.Duration(bad)):
						f.feed(fmt.Sprint("bad-", i), "poison", 0, time.Minute)
						f.feed(fmt.Sprint("bad-", i), "object", 0, 10*time.Second)
					case <-f.done:
					}
				})
			}
			for i := range int((warm + last) / time.Minute) {
				sink.begin()
				time.Sleep(time.Minute)
				good, worst := sink.of("good-")
				of, waited := sink.of("bad-")
				some, whole := f.batcher.apart()
				t.Logf("%d bad clusters, minute %d: accepted of the others %d within %v, of these %d within %v; refused %d writes; apart %d, as a whole %d, held %d",
					bad, i, good, worst, of, waited, sink.refused, some, whole, len(f.batcher.suspects.held.keys))
				if time.Duration(i)*time.Minute >= warm {
					rate[bad] += float64(good) / last.Seconds()
				}
			}
			f.end()
		})
	}
	t.Logf("the others' changes a second, by bad clusters: %v", rate)
	for bad, r := range rate {
		if r < 0.9*rate[0]*7/8 {
			t.Errorf("%.0f/s with %d bad clusters, want nine tenths of 7/8 of %.0f/s at least", r, bad, rate[0])
		}
	}
}

// What is held is searched later, apart: what is innocent of it is accepted, and what is guilty
// alone is refused.
func TestWhatIsHeldIsSearchedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(_ context.Context, batch []string) error {
			time.Sleep(20 * time.Millisecond)
			if slices.ContainsFunc(batch, func(label string) bool { return strings.HasPrefix(label, "p") }) {
				return pipeline.Permanent(errors.New("poison"))
			}
			return nil
		}}
		b, _ := start(t, sink, Options{})
		b.mu.Lock()
		b.suspects.share.spend(2*shareMost, time.Now())
		b.suspects.others = time.Now()
		b.mu.Unlock()
		var changes []*pipeline.Change
		for i := range 8 {
			changes = append(changes, change(fmt.Sprint("ok", i), 1))
		}
		changes = append(changes, change("p", 1))
		left := map[string]*pipeline.Change{}
		for _, c := range changes {
			left[label(c)] = c
		}
		var why error
		for tries := 0; len(left) > 0 && tries < 20; tries++ {
			var these []*pipeline.Change
			for _, c := range changes {
				if left[label(c)] != nil {
					these = append(these, c)
				}
			}
			wait := time.Duration(0)
			if err := b.Deliver(t.Context(), func(i int, refused error) {
				switch {
				case refused == nil:
					delete(left, label(these[i]))
				case pipeline.IsPutOff(refused):
					d, _ := pipeline.RetryDelay(refused)
					wait = max(wait, d)
					if tries == 0 && !strings.Contains(refused.Error(), "poison") {
						t.Errorf("put off with %v", refused)
					}
				default:
					why = refused
					delete(left, label(these[i]))
					if label(these[i]) != "p1" {
						t.Errorf("%s is refused", label(these[i]))
					}
				}
			}, these...); err != nil {
				t.Fatal(err)
			}
			if n := len(sink.written()); tries == 0 && n != 1 {
				t.Errorf("%d writes, want the one that was refused", n)
			}
			time.Sleep(wait)
		}
		if len(left) > 0 || !pipeline.IsPermanent(why) {
			t.Errorf("%d changes are left, p was refused with %v; wrote %q", len(left), why, sink.written())
		}
		outcomeOf(t, b, change("ok", 9)) // so that the sink is known to accept something
		if n := len(b.suspects.held.keys); n > 0 {
			t.Errorf("%d are held still", n)
		}
	})
}

// What searches may take is an eighth of the time, and as much as that is of a minute at once.
func TestShare(t *testing.T) {
	var s share
	now := time.Now()
	if got := s.debt(now); got != 0 {
		t.Errorf("a new one has spent %v", got)
	}
	s.spend(4*time.Second, now)
	s.spend(5*time.Second, now.Add(8*time.Second)) // one was gained
	if got, want := s.debt(now.Add(8*time.Second)), 8*time.Second; got != want {
		t.Errorf("spent %v, want %v", got, want)
	}
	if got, want := s.debt(now.Add(16*time.Second)), 7*time.Second; got != want {
		t.Errorf("spent %v, want %v", got, want)
	}
	s.spend(time.Hour, now.Add(16*time.Second))
	if got := s.debt(now.Add(16 * time.Second)); got != 2*shareMost {
		t.Errorf("spent %v, want the most that is remembered", got)
	}
	if got := s.debt(now.Add(time.Hour)); got != 0 {
		t.Errorf("spent %v after an hour", got)
	}
}
