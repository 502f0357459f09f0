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

// New changes that are refused in many clusters cost the others no more than the share of what is
// apart, once all of these clusters are as a whole, which takes minutes: an eighth of a sink that
// has more to do than it can, be its writes short or of more than a second. Where it has less to
// do, nothing of the others waits for long.
func TestSearchesInManyClustersHaveOneShare(t *testing.T) {
	const most, last = 8, 2                                           // minutes until all are apart, and from then on
	const busy, calm = 100 * time.Millisecond, 300 * time.Millisecond // 110/s and 37/s of 88/s or 98/s
	for _, least := range []int{1, 128} {                             // changes in a write
		var all float64 // of the others in a minute, where nothing is refused
		for _, test := range []struct {
			bad   int
			every time.Duration // from one change of each of 11 others to the next
		}{{0, busy}, {20, busy}, {100, busy}, {20, calm}} {
			if least > 1 && test.every == calm || test.bad > 20 && testing.Short() {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				sink := &transaction{each: 10 * time.Millisecond}
				f := startFleet(t, sink, Options{MinBatch: least}, ratelimit.Limit{QPS: 200, Burst: 400})
				for i := range 11 {
					f.feed(fmt.Sprint("good-", i), "object", 0, test.every)
				}
				for i := range test.bad {
					f.sources.Go(func() { // not all at the same time
						select {
						case <-time.After(time.Duration(i) * time.Minute / time.Duration(test.bad)):
							f.feed(fmt.Sprint("bad-", i), "poison", 0, time.Minute)
							f.feed(fmt.Sprint("bad-", i), "object", 0, 30*time.Second)
						case <-f.done:
						}
					})
				}
				rate, counted := 0.0, 0
				for i, all := 0, test.bad == 0; counted < last && i < most+last; i++ {
					sink.begin()
					time.Sleep(time.Minute)
					good, worst := sink.of("good-")
					bad, waited := sink.of("bad-")
					some, whole := f.batcher.apart()
					t.Logf("writes of %d, %d bad clusters, minute %d: accepted of the others %d within %v, of these %d within %v; refused %d writes; apart %d clusters, %d as a whole, held %d changes",
						least, test.bad, i, good, worst, bad, waited, sink.refusals(), some, whole, f.batcher.held())
					if test.every == calm && worst > time.Minute {
						t.Errorf("others waited %v, want a minute at most", worst)
					}
					if all {
						rate += float64(good) / last
						counted++
					}
					all = all || whole == test.bad
				}
				f.end()
				if counted < last {
					t.Errorf("writes of %d, %d bad clusters: not all of them are apart after %d minutes", least, test.bad, most)
				}
				switch {
				case test.bad == 0:
					all = rate
				case test.every == busy && rate < all*(apartShare-1)/apartShare:
					t.Errorf("writes of %d, %d bad clusters: accepted %.0f of the others in a minute, want 7/8 of %.0f at least", least, test.bad, rate, all)
				}
			})
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
		b := indebted(t, sink, Options{})
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
	if got := s.debt(now.Add(16 * time.Second)); got != oweMost {
		t.Errorf("spent %v, want the most that is remembered", got)
	}
	if got := s.debt(now.Add(time.Hour)); got != 0 {
		t.Errorf("spent %v after an hour", got)
	}
}

// indebted starts a batcher of which searches have used up their share.
func indebted(t *testing.T, sink pipeline.Sink, o Options) *Batcher {
	t.Helper()
	b, _ := start(t, sink, o)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.suspects.share.spend(oweMost, time.Now())
	return b
}

// What is held says nothing of the size that the sink takes: it is not known yet what was wrong.
func TestWhatIsHeldTellsOfNoSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := indebted(t, wholly(20*time.Millisecond, isP), Options{})
		outcomeOf(t, b, change("a", 1), change("b", 1), change("p", 1))
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.suspects.held.keys) != 3 || b.window.weight > 0 {
			t.Errorf("%d changes are held, the window has learned of %v writes; want 3 and none", len(b.suspects.held.keys), b.window.weight)
		}
	})
}

// A search costs its share what the write took that was refused, and its halves.
func TestASearchIsChargedWithTheRefusedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(20*time.Millisecond, isP)
		b, _ := start(t, sink, Options{})
		outcomeOf(t, b, change("a", 1), change("p", 1))
		b.mu.Lock()
		defer b.mu.Unlock()
		if got, want := b.suspects.share.debt(time.Now()), 3*20*time.Millisecond; got != want {
			t.Errorf("spent %v in %q, want %v", got, sink.written(), want)
		}
	})
}

// What is held and becomes a dead letter is held no more, though nothing tells yet that it is
// to blame.
func TestDeadLettersAreNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letters := 0
		b := indebted(t, wholly(20*time.Millisecond, isP), Options{DeadLetter: func(*pipeline.Change, error, int) error {
			letters++
			return nil
		}})
		outcomeOf(t, b, change("p", 1), change("pp", 1))
		for range 2 {
			time.Sleep(time.Minute)
			outcomeOf(t, b, change("p", 1))
			time.Sleep(time.Minute)
			outcomeOf(t, b, change("pp", 1))
		}
		if n := b.held(); n > 0 || letters == 0 {
			t.Errorf("%d are held after %d dead letters", n, letters)
		}
	})
}

// So long as the sink accepts nothing, all of what is held is searched like any other batch: it
// need not be the cluster's fault.
func TestWhatIsHeldIsSearchedWholly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(20*time.Millisecond, isP)
		b := indebted(t, sink, Options{})
		var changes []*pipeline.Change
		for i := range 8 {
			changes = append(changes, change(fmt.Sprint("p", i), 1))
		}
		outcomeOf(t, b, changes...)
		time.Sleep(time.Minute)
		outcomeOf(t, b, changes...)
		if n := len(sink.written()); n != 1+7 { // half of them apart, in a search
			t.Errorf("wrote %q, want 8 writes", sink.written())
		}
	})
}

// What is held takes turns with what is suspected, whatever the name of a cluster is.
func TestWhatIsHeldTakesTurns(t *testing.T) {
	var s suspects
	now := time.Now()
	bad := change("p", 1).Key
	bad.Cluster = ""
	s.found(bad, errNoReason, nil, time.Millisecond, false, now)
	if !s.hold([]*item{{change: change("a", 1)}}, errNoReason, now) {
		t.Fatal("there was no room")
	}
	alone, mixed := &s.clusters[""].alone, &s.held.line
	if alone.isMixed() || !mixed.isMixed() {
		t.Fatalf("mixed are the line of a cluster (%v) and what is held (%v)", alone.isMixed(), mixed.isMixed())
	}
	alone.turn = now
	first := func(now time.Time) *line {
		ofAlone, _ := s.isTurn(alone, now)
		if ofMixed, is := s.isTurn(mixed, now); is && ofMixed.Before(ofAlone) {
			return mixed
		}
		return alone
	}
	for i, want := range []*line{mixed, alone, mixed, alone} {
		now = now.Add(time.Second)
		if got := first(now); got != want {
			t.Errorf("turn %d: what is held comes first: %v", i, got == mixed)
		}
		s.wrote(want, 1, time.Millisecond, time.Millisecond, false, 1000, now)
		alone.turn = now
	}
}
