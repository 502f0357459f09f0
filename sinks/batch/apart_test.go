package batch

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// transaction is a sink that takes all of a batch or, if there is poison in it, nothing.
type transaction struct {
	each  time.Duration // beside 20 ms
	looks bool          // for what it refuses, by halves, so that it takes all others

	mu       sync.Mutex
	poison   func(*pipeline.Change) bool
	accepted map[string]int // changes, by cluster
	worst    map[string]time.Duration
	refused  int // writes
	mixed    int // writes of several clusters, one of them called "bad"
}

func (s *transaction) Write(_ context.Context, all []*pipeline.Change) error {
	tooLong := pipeline.Permanent(errors.New("value too long"))
	failed := s.poisoned(all, tooLong)
	took := 20*time.Millisecond + time.Duration(len(all))*s.each
	if s.looks && len(all) > 1 {
		took += time.Duration(len(failed)*2*bits.Len(uint(len(all)))) * 20 * time.Millisecond
		for i := range failed {
			failed[i] = pipeline.Isolated(tooLong)
		}
	}
	time.Sleep(took)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(failed) > 0 {
		s.refused++
		if !s.looks {
			return tooLong
		}
	}
	for i, c := range all {
		if failed[i] == nil {
			s.accepted[c.Key.Cluster]++
			s.worst[c.Key.Cluster] = max(s.worst[c.Key.Cluster], time.Since(c.Observed))
		}
	}
	if len(failed) > 0 {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

// poisoned returns an error for each change that is poison, and counts mixed writes.
func (s *transaction) poisoned(all []*pipeline.Change, why error) map[int]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := map[int]error{}
	bad := 0
	for i, c := range all {
		if strings.HasPrefix(c.Key.Cluster, "bad") {
			bad++
		}
		if s.poison(c) {
			failed[i] = why
		}
	}
	if 0 < bad && bad < len(all) {
		s.mixed++
	}
	return failed
}

// begin has the sink count from now on.
func (s *transaction) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted, s.worst, s.refused, s.mixed = map[string]int{}, map[string]time.Duration{}, 0, 0
}

// of returns what was accepted of the clusters with a prefix, and how long any of that had
// waited.
func (s *transaction) of(prefix string) (accepted int, worst time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, n := range s.accepted {
		if strings.HasPrefix(name, prefix) {
			accepted += n
			worst = max(worst, s.worst[name])
		}
	}
	return accepted, worst
}

// refusals returns how many writes were refused.
func (s *transaction) refusals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// refuse has it refuse what is poison from now on.
func (s *transaction) refuse(poison func(*pipeline.Change) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poison = poison
}

// isPoison is what is named so.
func isPoison(c *pipeline.Change) bool { return strings.HasPrefix(c.Key.Name, "poison") }

// fleet is a route with sources.
type fleet struct {
	*route
	give    func(*pipeline.Change) error
	done    <-chan struct{}
	sources sync.WaitGroup
	end     func()
}

func startFleet(t *testing.T, sink *transaction, o Options, limit ratelimit.Limit) *fleet {
	t.Helper()
	return startFleetOn(t, sink, sink, o, limit)
}

// startFleetOn is startFleet with another sink around the transaction.
func startFleetOn(t *testing.T, of *transaction, sink pipeline.Sink, o Options, limit ratelimit.Limit) *fleet {
	t.Helper()
	of.poison = isPoison
	of.begin()
	f := &fleet{route: startRoute(t, sink, o, limit)}
	ctx, cancel := context.WithCancel(t.Context())
	f.give = func(c *pipeline.Change) error { return f.queue.Offer(ctx, c, 0) }
	f.done = ctx.Done()
	f.end = func() {
		cancel()
		f.sources.Wait()
		f.route.end()
	}
	return f
}

// feed offers states of objects of a cluster, one each time, of ever new ones if objects is 0.
func (f *fleet) feed(cluster, name string, objects int, each time.Duration) {
	f.sources.Go(func() {
		for i := 0; ; i++ {
			of := i
			if objects > 0 {
				of = i % objects
			}
			c := change(fmt.Sprint(name, "-", of), i)
			c.Key.Cluster, c.Observed, c.Sequence = cluster, time.Now(), uint64(2*i+2)
			if f.give(c) != nil {
				return
			}
			select {
			case <-time.After(each):
			case <-f.done:
				return
			}
		}
	})
}

func (f *fleet) feedGood(clusters int) {
	for i := range clusters {
		f.feed(fmt.Sprint("good-", i), "object", 0, 40*time.Millisecond)
	}
}

// What a sink refuses of some clusters costs the others next to nothing, also if it answers
// for whole batches; and what it takes of these clusters gets through.
func TestRefusedBatchesOfSomeClustersSlowNoOther(t *testing.T) {
	for name, test := range map[string]struct {
		bad     int
		every   time.Duration // of poison, for each bad cluster
		objects int           // that are poison; 0: each time another one
		letters bool
		looks   bool
		healthy time.Duration // within which healthy changes of the bad clusters are accepted
		worst   time.Duration // and those of others
	}{
		"5 a second":                            {bad: 1, every: 200 * time.Millisecond, objects: 10, healthy: 25 * time.Second, worst: 2 * time.Second},
		"10 a second":                           {bad: 1, every: 100 * time.Millisecond, objects: 10, healthy: 25 * time.Second, worst: 2 * time.Second},
		"50 a second":                           {bad: 1, every: 20 * time.Millisecond, objects: 10, healthy: 25 * time.Second, worst: 2 * time.Second},
		"10 a second, dead letters":             {bad: 1, every: 100 * time.Millisecond, objects: 10, letters: true, healthy: 25 * time.Second, worst: 2 * time.Second},
		"10 a second, a sink that looks itself": {bad: 1, every: 100 * time.Millisecond, objects: 10, looks: true, healthy: 25 * time.Second, worst: 6 * time.Second},
		"50 new ones a second":                  {bad: 1, every: 20 * time.Millisecond, worst: 2 * time.Second},
		"50 new letters a second":               {bad: 1, every: 20 * time.Millisecond, letters: true, worst: 2 * time.Second},
		"ten clusters, 10 a second":             {bad: 10, every: 100 * time.Millisecond, objects: 10, worst: 6 * time.Second},
		"ten clusters, 5 new ones":              {bad: 10, every: 200 * time.Millisecond, worst: 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{}
				if test.letters {
					o.DeadLetter = func(*pipeline.Change, error, int) error { return nil }
				}
				sink := &transaction{looks: test.looks}
				f := startFleet(t, sink, o, ratelimit.Limit{QPS: 200, Burst: 400})
				f.feedGood(21 - test.bad)
				for i := range test.bad {
					f.feed(fmt.Sprint("bad-", i), "poison", test.objects, test.every)
					f.feed(fmt.Sprint("bad-", i), "object", 0, 200*time.Millisecond)
				}
				const last = 30 * time.Second
				time.Sleep(last)
				good, worst := sink.of("good-")
				want := (21 - test.bad) * int(last/(40*time.Millisecond))
				if good < want*95/100 || worst > test.worst {
					t.Errorf("accepted of the others %d of %d changes, within %v; want nearly all within %v", good, want, worst, test.worst)
				}
				bad, waited := sink.of("bad-")
				if want := test.bad * int(last/(200*time.Millisecond)); test.healthy > 0 && (bad < want*8/10 || waited > test.healthy) {
					t.Errorf("accepted of the bad clusters %d of %d changes, within %v; want nearly all within %v", bad, want, waited, test.healthy)
				}
				f.end()
				t.Logf("good %d of %d, within %v; of the bad clusters %d of %d, within %v; refused %d writes", good, want, worst, bad, test.bad*int(last/(200*time.Millisecond)), waited, sink.refusals())
			})
		})
	}
}

// Also where the others have more than the sink can take, so that each write costs them one.
func TestRefusedBatchesCostAnEighthOfABusySink(t *testing.T) {
	const last = time.Minute
	rate := map[int]float64{}
	for _, bad := range []int{0, 1, 10} {
		synctest.Test(t, func(t *testing.T) {
			sink := &transaction{each: 2 * time.Millisecond}
			f := startFleet(t, sink, Options{}, ratelimit.Limit{QPS: 200, Burst: 400})
			for i := range 11 {
				f.feed(fmt.Sprint("good-", i), "object", 0, 12*time.Millisecond) // 917/s of 500/s
			}
			for i := range bad {
				f.feed(fmt.Sprint("bad-", i), "poison", 10, 100*time.Millisecond)
			}
			time.Sleep(last)
			good, _ := sink.of("good-")
			rate[bad] = float64(good) / last.Seconds()
			f.end()
		})
	}
	t.Logf("the others' changes a second, by bad clusters: %v", rate)
	for bad, r := range rate {
		if r < 0.8*rate[0] {
			t.Errorf("%.0f/s with %d bad clusters, want 80%% of %.0f/s at least", r, bad, rate[0])
		}
	}
}

// What is mended is accepted soon, however much else of its cluster is refused still, and the
// cluster's changes are written with those of others again in the end.
func TestWhatIsMendedIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &transaction{}
		f := startFleet(t, sink, Options{}, ratelimit.Limit{QPS: 200, Burst: 400})
		f.feedGood(4)
		const objects = 40
		f.feed("bad-0", "poison", objects, 50*time.Millisecond)
		time.Sleep(2 * time.Minute)
		if bad, _ := sink.of("bad-"); bad > 0 {
			t.Fatalf("%d accepted", bad)
		}
		mended := func(c *pipeline.Change) bool { return isPoison(c) && c.Key.Name != "poison-7" }
		sink.refuse(mended)
		sink.begin()
		time.Sleep(time.Minute)
		bad, _ := sink.of("bad-")
		if bad == 0 {
			t.Errorf("the one that is mended was not accepted")
		}
		sink.refuse(func(*pipeline.Change) bool { return false })
		sink.begin()
		time.Sleep(time.Minute)
		if bad, _ = sink.of("bad-"); bad < 60*20*8/10 {
			t.Errorf("accepted %d changes of the cluster in the minute since all are mended, want nearly all of %d", bad, 60*20)
		}
		time.Sleep(3 * time.Minute)
		sink.begin()
		time.Sleep(10 * time.Second)
		sink.mu.Lock()
		if sink.mixed == 0 || sink.refused > 0 {
			t.Errorf("%d writes of the cluster with others, %d refused", sink.mixed, sink.refused)
		}
		sink.mu.Unlock()
		f.end()
	})
}

// An object that replaces one of another UID is written with the deletion of that one.
func TestGhostsAreWrittenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(0, isP1)
		b, _ := start(t, sink, Options{})
		outcomeOf(t, b, change("a", 1), change("p", 1))
		if got := b.Status().Apart; !slices.Equal(got, []string{"alpha"}) {
			t.Errorf("apart %q", got)
		}
		time.Sleep(time.Second)
		want := map[string]string{"p2": "", "p3": ""}
		if diff := cmp.Diff(want, outcomeOf(t, b, change("p", 2), change("p", 3))); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]string{{"a1", "p1"}, {"a1"}, {"p1"}, {"p2", "p3"}}, sink.written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

// What is refused is given back as such once: until its time has come it is put off, and costs
// no write.
func TestANewerStateOfWhatWasRefusedIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := wholly(20*time.Millisecond, isP)
		b, _ := start(t, sink, Options{})
		outcomeOf(t, b, change("a", 1), change("p", 1))
		before := len(sink.written())
		var why error
		if err := b.Deliver(t.Context(), func(_ int, refused error) { why = refused }, change("p", 2)); err != nil {
			t.Fatal(err)
		}
		wait, _ := pipeline.RetryDelay(why)
		if !pipeline.IsPutOff(why) || wait <= 0 || wait > time.Second || !strings.Contains(why.Error(), "poison") || len(sink.written()) != before {
			t.Fatalf("told %v, wait %v, %d writes", why, wait, len(sink.written())-before)
		}
		time.Sleep(wait)
		if err := b.Deliver(t.Context(), func(_ int, refused error) { why = refused }, change("p", 3)); err != nil {
			t.Fatal(err)
		}
		if pipeline.IsPutOff(why) || !pipeline.IsPermanent(why) || len(sink.written()) != before+1 {
			t.Errorf("told %v after %d writes", why, len(sink.written())-before)
		}
	})
}

// Of a sink that refuses everything for a while nobody is suspected.
func TestWhoRefusesEverythingSuspectsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &fakeSink{answer: func(context.Context, []string) error { return pipeline.Permanent(errors.New("404 page not found")) }}
		b, _ := start(t, sink, Options{})
		outcomeOf(t, b, change("a", 1), change("b", 1), change("c", 1), change("d", 1))
		if got := b.Status().Apart; len(got) > 0 {
			t.Errorf("apart %q", got)
		}
		if n := len(sink.written()); n != 7 {
			t.Errorf("%d writes, want 7", n)
		}
	})
}
