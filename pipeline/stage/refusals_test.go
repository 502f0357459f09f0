package stage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// take takes a bundle of one change, which is handed out now.
func (s *Stage) take(t *testing.T, uid types.UID) *bundle {
	t.Helper()
	if s.queue.Len() != 1 {
		t.Fatalf("%d changes can be handed out, want 1", s.queue.Len())
	}
	b, _ := s.queue.Get()
	if c := b.parts[0].change; c.UID != uid {
		t.Fatalf("%s was handed out, want %s", c.UID, uid)
	}
	return b
}

// A change that is refused leaves its worker and comes back by itself, later and
// later; the worker is no error's.
func TestARefusedChangeComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{refuse: map[types.UID]error{"u1": errors.New("no")}}
		s := newTestStage(t, r)
		began := time.Now()
		b := s.bundleOf(testChange(r, "u1"), testChange(r, "u2"))
		var longest time.Duration
		for tries := 1; ; tries++ {
			if err := s.work(t.Context(), b); err != nil {
				t.Fatalf("the worker failed: %v", err)
			}
			if l := s.queue.Lanes()[0]; l.Delayed+l.Live != 1 || l.InFlight != 0 {
				t.Fatalf("lane %+v, want the refused one", l)
			}
			want := []Refused{{Cluster: "a", Changes: 1, Since: began, Reason: "no"}}
			if diff := cmp.Diff(want, s.Refused()); diff != "" {
				t.Fatalf("refused after %d tries (-want +got):\n%s", tries, diff)
			}
			if tries == 40 {
				break
			}
			last := time.Now()
			for s.queue.Len() == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			longest = max(longest, time.Since(last))
			b = s.take(t, "u1")
			if c := b.parts[0]; c.priority != 7 || c.change.Refusals != uint32(tries) {
				t.Fatalf("came back with priority %d and %d refusals, want 7 and %d", c.priority, c.change.Refusals, tries)
			}
		}
		if longest < refusedLongest/2 || longest > refusedLongest+10*time.Millisecond {
			t.Errorf("the longest delay was %v, want up to %v", longest, refusedLongest)
		}
		if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "refused")); got != 40 {
			t.Errorf("%v refusals counted, want 40", got)
		}
		if err := testutil.CollectAndCompare(&refusedCollector{s.refusals}, strings.NewReader(`
# HELP fairlead_changes_refused Objects of which the sink refused a state and has accepted none since. They are tried again.
# TYPE fairlead_changes_refused gauge
fairlead_changes_refused{cluster="a"} 1
`)); err != nil {
			t.Error(err)
		}

		r.refuse["u1"] = pipeline.RetryAfter(errors.New("busy"), time.Hour)
		time.Sleep(refusedLongest + time.Second)
		if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second)
		if n := s.queue.Len(); n != 0 {
			t.Error("it came back sooner than the sink had asked for")
		}
		time.Sleep(2 * time.Second)
		delete(r.refuse, "u1")
		if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
			t.Fatal(err)
		}
		if got := s.Refused(); got != nil {
			t.Errorf("refused %+v when all was accepted", got)
		}
		if n := s.refusals.NumRequeues(testChange(r, "u1").Key); n != 0 {
			t.Errorf("%d failures of an accepted change", n)
		}
	})
}

// A newer state that waits, or comes meanwhile, has precedence.
func TestANewerStateGoesBeforeARefusedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		newer := func(tracker pipeline.Tracker) *pipeline.Change {
			c := testChange(tracker, "u1")
			c.ResourceVersion = "2"
			return c
		}
		for name, waits := range map[string]bool{"waits": true, "comes": false} {
			r := &recorder{refuse: map[types.UID]error{"u1": pipeline.RetryAfter(errors.New("no"), time.Hour)}}
			s := newTestStage(t, r)
			b := s.bundleOf(testChange(r, "u1"))
			if waits {
				s.queue.Queue.Add(newer(r))
			}
			if err := s.work(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if !waits {
				s.queue.Queue.Add(newer(r))
			}
			if c := s.take(t, "u1").parts[0].change; c.ResourceVersion != "2" {
				t.Errorf("%s: the refused state was handed out", name)
			}
			if l := s.queue.Lanes()[0]; l.Delayed+l.Live != 0 {
				t.Errorf("%s: the refused state is still there", name)
			}
		}
	})
}

// A ghost's deletion is acked by itself; but when it is refused, the change whose
// name it has comes back with it, whatever the sink says of that.
func TestAGhostIsAChangeOfItsOwn(t *testing.T) {
	for name, test := range map[string]struct {
		refuse []types.UID
		acks   []string
	}{
		"nothing is refused":      {nil, []string{"ack g1", "ack g2", "ack u1"}},
		"the first is refused":    {[]types.UID{"g1"}, nil},
		"the second is refused":   {[]types.UID{"g2"}, []string{"ack g1"}},
		"the change is refused":   {[]types.UID{"u1"}, []string{"ack g1", "ack g2"}},
		"all of them are refused": {[]types.UID{"g1", "g2", "u1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{ghosts: []types.UID{"g1", "g2"}, refuse: map[types.UID]error{}}
				for _, uid := range test.refuse {
					r.refuse[uid] = fmt.Errorf("no %s", uid)
				}
				s := newTestStage(t, r)
				c := testChange(r, "u1")
				c.Sequence = 40
				if err := s.work(t.Context(), s.bundleOf(c)); err != nil {
					t.Fatal(err)
				}
				r.happened(t, append([]string{"begin u1", "deleted g1 tombstone", "deleted g2 tombstone", "updated u1"}, test.acks...)...)
				refused := s.Refused()
				if len(test.refuse) == 0 {
					if refused != nil {
						t.Errorf("refused %+v", refused)
					}
					return
				}
				if want := "no " + string(test.refuse[0]); len(refused) != 1 || refused[0].Changes != 1 || refused[0].Reason != want {
					t.Errorf("refused %+v, want one because of %q", refused, want)
				}
				if l := s.queue.Lanes()[0]; l.Delayed+l.Live != 1 {
					t.Errorf("lane %+v, want the change", l)
				}
			})
		})
	}
	c := testChange(nil, "u1")
	c.Sequence, c.Refusals = 40, 3
	if g := ghost(c, "g"); !g.Ghost || g.Sequence != 39 || g.Refusals != 3 || g.Key != c.Key {
		t.Errorf("the ghost's deletion is %+v", g)
	}
}

// What a newer state has superseded is neither delivered nor acked.
func TestASupersededChangeIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{newer: map[types.UID]bool{"u1": true}}
		s := newTestStage(t, r)
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"), testChange(r, "u2"))); err != nil {
			t.Fatal(err)
		}
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"))); err != nil {
			t.Fatal(err)
		}
		r.happened(t, "begin u1", "begin u2", "updated u2", "ack u2", "begin u1")
		if l := s.queue.Lanes()[0]; l.InFlight+l.Live+l.Delayed != 0 {
			t.Errorf("lane %+v, want nothing", l)
		}
		if got := testutil.ToFloat64(s.metrics.superseded.WithLabelValues("a")); got != 2 {
			t.Errorf("%v superseded, want 2", got)
		}
	})
}

// What is kept and logged of refusals is bounded: an entry per object that is
// refused, a line per cluster and minute.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs []string
		r := &recorder{refuse: map[types.UID]error{"u1": errors.New(strings.Repeat("é", reasonMost))}}
		s := newTestStage(t, r)
		s.log = funcr.New(func(_, args string) {
			logs = append(logs, fmt.Sprint(strings.Contains(args, "Sink refuses"), strings.Contains(args, "Sink accepts again")))
		}, funcr.Options{})
		began := time.Now()
		for range 1000 { // refused and accepted in turn
			if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"))); err != nil {
				t.Fatal(err)
			}
			if got := s.Refused()[0].Reason; len(got) > reasonMost || !strings.HasPrefix(got, "éé") {
				t.Fatalf("a reason of %d bytes", len(got))
			}
			was := r.refuse
			r.refuse = nil
			s.queue.Queue.Add(testChange(r, "u1"))
			if err := s.work(t.Context(), s.take(t, "u1")); err != nil {
				t.Fatal(err)
			}
			r.refuse = was
			time.Sleep(time.Second)
		}
		minutes := int(time.Since(began)/time.Minute) + 1
		if want := slices.Repeat([]string{"true false", "false true"}, minutes); !cmp.Equal(want, logs) {
			t.Errorf("%d lines in %d minutes, want two in each: %v", len(logs), minutes, logs[:min(len(logs), 6)])
		}
		for i := range 100 {
			key := pipeline.Key{Cluster: fmt.Sprint(i), Name: "n"}
			s.refusals.refuse(key, "1", errors.New("no"), time.Now())
			s.refusals.When(key)
			s.refusals.Forget(key)
			time.Sleep(refusedQuiet)
		}
		if n, m := len(s.refusals.entries), len(s.refusals.clusters); n != 0 || m > 2 {
			t.Errorf("%d entries and %d clusters are kept of nothing", n, m)
		}
	})
}

// Each object has its own count and reason, as long as there are not too many.
func TestRefusalOfOneObject(t *testing.T) {
	r := newRefusals()
	s := &Stage{refusals: r}
	key := func(n int) pipeline.Key { return pipeline.Key{Cluster: "a", Resource: "pods", Name: fmt.Sprint(n)} }
	began := time.Unix(100, 0)
	r.refuse(key(1), "1", errors.New("first"), began)
	r.refuse(key(1), "1", errors.New("second"), began.Add(time.Second))
	r.refuse(key(2), "1", errors.New("other"), began)
	want := func(n int, want Refusal) {
		t.Helper()
		if got, ok := s.RefusalOf(key(n)); !ok || got != want {
			t.Errorf("refusal of %d: %+v, want %+v", n, got, want)
		}
	}
	want(1, Refusal{ResourceVersion: "1", Times: 2, Since: began, Reason: "second"})
	want(2, Refusal{ResourceVersion: "1", Times: 1, Since: began, Reason: "other"})
	for n := range mostReasons {
		r.refuse(key(10+n), "1", fmt.Errorf("reason %d", n), began)
	}
	last := mostReasons - 1
	want(10+last, Refusal{ResourceVersion: "1", Times: 1, Since: began, Reason: fmt.Sprintf("reason %d", last)})
	want(10+last-1, Refusal{ResourceVersion: "1", Times: 1, Since: began, Reason: fmt.Sprintf("reason %d", last)}) // its own is not kept
	want(1, Refusal{ResourceVersion: "1", Times: 2, Since: began, Reason: "second"})
	r.Forget(key(1))
	if _, ok := s.RefusalOf(key(1)); ok {
		t.Error("a refusal is kept of what was accepted")
	}
	r.When(key(3))
	if _, ok := s.RefusalOf(key(3)); ok {
		t.Error("what was delayed counts as refused")
	}
}

// What a destination puts off comes back when it has to, and is neither refused nor observed.
func TestWhatIsPutOffComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{refuse: map[types.UID]error{"u1": pipeline.PutOff(pipeline.RetryAfter(errors.New("its turn is later"), time.Minute))}}
		s := newTestStage(t, r)
		s.observe = func(Delivery) { t.Error("observed") }
		s.queue.SetLimit("a", ratelimit.Limit{QPS: 0.001, Burst: 1})
		if err := s.work(t.Context(), s.bundleOf(testChange(r, "u1"))); err != nil {
			t.Fatal(err)
		}
		if got := s.Refused(); len(got) > 0 {
			t.Errorf("refused %+v", got)
		}
		if got := testutil.ToFloat64(s.metrics.failed.WithLabelValues("a", "put_off")); got != 1 {
			t.Errorf("%v counted, want 1", got)
		}
		time.Sleep(time.Minute - time.Second)
		if n := s.queue.Len(); n != 0 {
			t.Error("it came back too soon")
		}
		time.Sleep(2 * time.Second)
		if c := s.take(t, "u1").parts[0].change; c.Refusals != 0 || !c.Rests {
			t.Errorf("it came back with %d refusals, rests %v", c.Refusals, c.Rests)
		}
		if wait := s.queue.Lanes()[0].Throttled; wait != 0 {
			t.Errorf("it waited %v for another token", wait)
		}
	})
}
