package batch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// New changes that are refused in many clusters cost the others no more, once these clusters are
// written apart, than the share of what is apart: an eighth of a sink that has more to do than it can.
// Where it has less to do, nothing of the others waits for long.
func TestSearchesInManyClustersHaveOneShare(t *testing.T) {
	const warm, last = 3, 2 // minutes
	busy, calm := 12*time.Millisecond, 40*time.Millisecond
	rate := map[int]float64{}
	for _, test := range []struct {
		bad   int
		each  time.Duration // from one change of each of 11 others to the next: 917/s and 275/s of 430/s
		worst time.Duration
	}{{0, busy, 0}, {20, busy, 0}, {100, busy, 0}, {20, calm, time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			sink := &transaction{each: 2 * time.Millisecond}
			f := startFleet(t, sink, Options{}, ratelimit.Limit{QPS: 200, Burst: 400})
			for i := range 11 {
				f.feed(fmt.Sprint("good-", i), "object", 0, test.each)
			}
			for i := range test.bad {
				f.sources.Go(func() { // not all at the same time
					select {
					case <-time.After(time.Duration(i) * time.Minute / time.Duration(test.bad)):
						f.feed(fmt.Sprint("bad-", i), "poison", 0, time.Minute)
						f.feed(fmt.Sprint("bad-", i), "object", 0, 10*time.Second)
					case <-f.done:
					}
				})
			}
			for i := range warm + last {
				if i >= last && (test.bad == 0 || test.each == calm) {
					break
				}
				sink.begin()
				time.Sleep(time.Minute)
				good, worst := sink.of("good-")
				bad, waited := sink.of("bad-")
				some, whole := f.batcher.apart()
				t.Logf("%d bad clusters, minute %d: accepted of the others %d within %v, of these %d within %v; refused %d writes; apart %d clusters, %d as a whole, held %d changes",
					test.bad, i, good, worst, bad, waited, sink.refused, some, whole, f.batcher.held())
				switch {
				case test.worst > 0 && worst > test.worst:
					t.Errorf("others waited %v, want at most %v", worst, test.worst)
				case test.each == busy && (test.bad == 0 || i >= warm):
					rate[test.bad] += float64(good) / last
				}
			}
			f.end()
		})
	}
	t.Logf("the others' changes a minute, by bad clusters: %v", rate)
	for bad, r := range rate {
		if r < rate[0]*7/8 {
			t.Errorf("%.0f a minute with %d bad clusters, want 7/8 of %.0f at least", r, bad, rate[0])
		}
	}
}

// held returns how many changes are.
func (b *Batcher) held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.suspects.held.keys)
}

// What is held is searched later, apart: what is innocent of it is accepted, and what is guilty
// alone is refused.
func TestWhatIsHeldIsSearchedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(20*time.Millisecond, isP)
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
		if n := b.held(); n > 0 {
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
