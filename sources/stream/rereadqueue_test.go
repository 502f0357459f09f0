package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// choosy accepts everything but what is of one cluster, until it is content.
type choosy struct {
	bad     string
	again   time.Duration // when it wants to see again what it refuses; 0: it does not say
	watched func()

	mu      sync.Mutex
	content bool
	tried   map[string]bool // of the bad cluster
	got     map[string]int  // sizes of objects, by cluster and name
}

var errChoosy = errors.New("no column is that wide")

func (d *choosy) Deliver(_ context.Context, tell func(int, error), changes ...*pipeline.Change) error {
	for i, c := range changes {
		d.watched()
		d.mu.Lock()
		refused := c.Key.Cluster == d.bad && !d.content
		if refused {
			d.tried[c.Key.Name] = true
		} else {
			d.got[c.Key.Cluster+"/"+c.Key.Name] = len(c.Object)
		}
		d.mu.Unlock()
		switch {
		case !refused:
			tell(i, nil)
		case d.again > 0:
			tell(i, pipeline.RetryAfter(errChoosy, d.again))
		default:
			tell(i, errChoosy)
		}
	}
	return nil
}

func (d *choosy) count() (tried, got int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.tried), len(d.got)
}

// runStage runs a stage with a controller's workers until end is called.
func runStage(t *testing.T, q *stage.Queue, to pipeline.Destination) (end func()) {
	t.Helper()
	s, err := stage.New(stage.Options{Queue: q, Destination: to, Workers: 2, Registerer: prometheus.NewRegistry(), Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := manager.New(&rest.Config{Host: "https://hub.invalid"}, manager.Options{
		Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetupWithManager(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// waitWithin returns once done reports true, or when the time is over. What is refused
// meanwhile is read again all the time, so each second less makes a test cheaper.
func waitWithin(limit time.Duration, done func() bool) {
	for end := time.Now().Add(limit); time.Now().Before(end) && !done(); {
		time.Sleep(time.Second)
	}
}

// A sink refuses all that there is of one cluster, for ever: more than fits into the
// memory, or into the lane. Another cluster's objects are delivered nevertheless, also
// those that need most of the memory, and all of the refused ones are tried. When the sink
// takes them after all, it has them whole.
//
// What is tried again within seconds gives its memory up when it is refused once more. What
// rests for an hour does so only because somebody who comes later asks for it (OnPressure).
func TestRefusedForEverKeepsMemoryFromNobody(t *testing.T) {
	for name, test := range map[string]struct {
		lane  int64
		again time.Duration
	}{
		"the memory is small":        {lane: 1 << 30},
		"the lane is small":          {lane: 4 << 20},
		"what is refused rests long": {lane: 1 << 30, again: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const bad, good = 48, 10
				limit := budget.Least(1, MostReading)
				memory := budget.New(limit, 1, MostReading)
				q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{LaneBytes: test.lane})
				route := Route{Name: "r", Queue: q, Memory: memory.Route()}
				route.Memory.OnPressure(q.Evict)
				sink := &choosy{bad: "bad", again: test.again, tried: map[string]bool{}, got: map[string]int{}, watched: func() {
					if s := memory.Stats(); s.Reading+s.Held > limit {
						t.Errorf("%+v", s)
					}
				}}
				endStage := runStage(t, q, sink)
				l := newLedger(t)
				first := newFlood(bad+1, func(int) int { return 1 << 20 })
				_, endBad := first.follow(t, "bad", l, route)
				waitWithin(2*time.Minute, func() bool { tried, _ := sink.count(); return tried == bad })
				if tried, _ := sink.count(); tried != bad {
					t.Errorf("%d of %d refused objects were tried; %+v; %+v", tried, bad, memory.Stats(), q.Lanes())
				}
				_, endGood := newFlood(good+1, func(int) int { return 9 << 20 }).follow(t, "good", l, route)
				waitWithin(2*time.Minute, func() bool { _, got := sink.count(); return got == good })
				if _, got := sink.count(); got != good {
					t.Errorf("%d of %d objects of the other cluster were delivered; %+v; %+v", got, good, memory.Stats(), q.Lanes())
				}
				sink.mu.Lock()
				sink.content = true
				sink.mu.Unlock()
				waitWithin(5*time.Minute+test.again, func() bool { _, got := sink.count(); return got == good+bad })
				if _, got := sink.count(); got != good+bad {
					t.Errorf("%d of %d objects were delivered in the end; %+v; %+v", got, good+bad, memory.Stats(), q.Lanes())
				}
				sink.mu.Lock()
				for i := range bad {
					if n := sink.got[fmt.Sprint("bad/o-", i+2)]; n < 1<<20 {
						t.Errorf("object %d came with %d bytes", i+2, n)
					}
				}
				sink.mu.Unlock()
				endBad()
				endGood()
				endStage()
				q.ShutDown()
				if s := memory.Stats(); s.Reading != 0 || s.Held != 0 || s.Waiting != 0 {
					t.Errorf("left is %+v", s)
				}
			})
		})
	}
}

// A lane is full by number of what a sink has refused and others had the memory of, and all
// of it has another state by now. The watch that would tell so waits for room in that lane.
func TestWhatHasMovedOnBlocksNoWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const objects = 40
		memory := budget.New(budget.Least(1, MostReading), 1, MostReading)
		q := stage.NewQueue(queue.Options[*pipeline.Change, pipeline.Key]{LaneBytes: 4 << 20, LaneCapacity: 8})
		route := Route{Name: "r", Queue: q, Memory: memory.Route()}
		route.Memory.OnPressure(q.Evict)
		sink := &choosy{bad: "bad", tried: map[string]bool{}, got: map[string]int{}, watched: func() {}}
		endStage := runStage(t, q, sink)
		f := newFlood(objects+1, func(int) int { return 1 << 20 })
		_, end := f.follow(t, "bad", newLedger(t), route)
		time.Sleep(2 * time.Minute)
		if tried, _ := sink.count(); tried >= objects {
			t.Fatalf("the lane was never full: %d tried", tried)
		}
		f.gone.Store(true)
		for range 100 { // as somebody does who waits for memory
			q.Evict()
			time.Sleep(7 * time.Second)
		}
		sink.mu.Lock()
		sink.content = true
		sink.mu.Unlock()
		time.Sleep(time.Hour)
		sink.mu.Lock()
		if last := fmt.Sprint("o-", objects+1); !sink.tried[last] && sink.got["bad/"+last] == 0 {
			t.Errorf("the watch did not come to its last frame; %+v", q.Lanes())
		}
		if l := q.Lanes()[0]; l.Live+l.Snapshot+l.Delayed > 0 {
			t.Errorf("left in the lane is %+v", l)
		}
		sink.mu.Unlock()
		end()
		endStage()
		q.ShutDown()
	})
}

// plainQueue is a fakeQueue that takes any priority.
type plainQueue struct{ *fakeQueue }

func (q plainQueue) Offer(_ context.Context, c *pipeline.Change, _ int) error {
	q.changes <- c
	return nil
}

func (q plainQueue) TryOffer(c *pipeline.Change, _ int) error {
	q.changes <- c
	return nil
}

// What a sink refused is read again as a list of one. It is handed over again as it was if
// the cluster has that very state, and makes room if the cluster has another one. Whatever
// else comes, nothing is handed over, and it can be asked for again.
func TestReread(t *testing.T) {
	list := func(items ...string) string {
		return `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"20"},"items":[` + strings.Join(items, ",") + `]}`
	}
	for name, test := range map[string]struct {
		code   int
		answer string
		again  bool
		moved  bool
	}{
		"the same":             {200, list(configMap("c", 11)), true, false},
		"without its kind":     {200, list(strings.Replace(configMap("c", 11), `"kind":"ConfigMap","apiVersion":"v1",`, "", 1)), true, false},
		"a newer state":        {200, list(configMap("c", 12)), false, true},
		"another object":       {200, list(configMap("c@other", 11)), false, true},
		"another name":         {200, list(configMap("d@uid-c", 11)), false, true},
		"another namespace":    {200, list(strings.Replace(configMap("c", 11), `"ns"`, `"other"`, 1)), false, true},
		"another kind":         {200, list(strings.Replace(configMap("c", 11), "ConfigMap", "Secret", 1)), false, false},
		"gone":                 {200, list(), false, true},
		"among others":         {200, list(configMap("b", 10), configMap("c", 11)), true, false},
		"no JSON":              {200, "<html>", false, false},
		"a list without end":   {200, `{"items":[` + configMap("c", 11)[:50], false, false},
		"the server fails":     {500, status(500, "InternalError", ""), false, false},
		"it may not be listed": {403, status(403, "Forbidden", ""), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(o *Options) {
					o.Spec.Labels, o.Spec.Fields = "a=b", "metadata.name!=x"
					o.Routes[0].Queue = plainQueue{o.Routes[0].Queue.(*fakeQueue)}
				})
				body := h.live()
				body.send(event("MODIFIED", "c", 11))
				synctest.Wait()
				c := <-h.queue.changes
				begin(c)
				c.Refusals++
				c.Rests = false // as the stage has it while a sink may have the change
				was := *c
				if c.Evict(); c.Object == nil {
					t.Fatal("it is evicted while a sink may have it")
				}
				c.Rests = true
				c.Evict()
				if c.Object != nil || c.Evicted == 0 {
					t.Fatalf("it is not evicted: %+v", c)
				}
				reread := func() *fakeCall {
					c.Origin.Tracker.(pipeline.Rereader).Reread(c)
					call := h.call("list by ")
					q := call.query()
					if got, want := call.URL.Path+" "+q.Get("labelSelector")+" "+q.Get("fieldSelector"),
						"/api/v1/namespaces/ns/configmaps a=b metadata.name!=x,metadata.name=c"; got != want {
						t.Errorf("asked for %s, want %s", got, want)
					}
					return call
				}
				call := reread()
				c.Origin.Tracker.(pipeline.Rereader).Reread(c) // it is on its way
				call.reply(test.code, test.answer)
				synctest.Wait()
				if test.moved {
					again := <-h.queue.changes
					if !again.Moved || again.Sequence != was.Sequence || again.Object != nil {
						t.Errorf("it came as %+v", again)
					}
					name, _ := identity(again)
					if _, onItsWay, _ := h.cursor().Lookup(name); !onItsWay {
						t.Error("an audit would look at it although it is on its way")
					}
					begin(again)
					if _, onItsWay, _ := h.cursor().Lookup(name); onItsWay {
						t.Error("an audit would wait for it for ever")
					}
				}
				if !test.again {
					h.want(false)
					reread().reply(200, list(configMap("c", 11)))
					synctest.Wait()
				}
				h.quiet(time.Second)
				again := <-h.queue.changes
				if again.Sequence != was.Sequence || again.Refusals != 1 || !again.Observed.Equal(was.Observed) || !sameJSON(t, again.Object, was.Object) || again.Evicted != 0 {
					t.Errorf("it came again as %+v, and was %+v", again, was)
				}
				begin(again)
				again.Origin.Tracker.Ack(again)
				h.want(false)
				body.send(mark("30"))
				synctest.Wait()
				if at := h.cursor().ResumePoint(); at != "30" {
					t.Errorf("the resume point is %s", at)
				}
			})
		})
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

// A stream ends while an object is read again: a member that hangs holds nobody up. When
// none runs, nothing is read.
func TestEndWhileRereading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live().send(event("MODIFIED", "c", 11))
		synctest.Wait()
		c := <-h.queue.changes
		begin(c)
		c.Rests = true
		c.Evict()
		c.Origin.Tracker.(pipeline.Rereader).Reread(c)
		h.call("list by ")
		if err := h.stop(); err != nil {
			t.Error(err)
		}
		c.Origin.Tracker.(pipeline.Rereader).Reread(c)
		h.quiet(time.Hour)
		h.want(false)
	})
}

// A member that stalls in the middle of what is read again is cut off, and gives the memory
// back.
func TestStallWhileRereading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := budget.New(0, 1, MostReading)
		h := start(t, func(o *Options) { o.Routes[0].Memory = memory.Route() })
		h.live().send(event("MODIFIED", "c", 11))
		synctest.Wait()
		c := <-h.queue.changes
		begin(c)
		c.Rests = true
		c.Evict()
		c.Origin.Tracker.(pipeline.Rereader).Reread(c)
		list := h.call("list by ").open()
		list.write(`{"items":[{"a":"` + strings.Repeat("x", 1<<20))
		synctest.Wait()
		if s := memory.Stats(); s.Reading < 1<<20 {
			t.Errorf("nothing is taken for what is read: %+v", s)
		}
		time.Sleep(2 * frameGrace)
		synctest.Wait()
		if s := memory.Stats(); s.Reading != 0 {
			t.Errorf("a member that stalls keeps %+v", s)
		}
		c.Release()
	})
}
