package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/util/workqueue"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// FuzzQueue drives a queue and the model with the same operations, and after
// each compares everything that can be seen: what every call returned or that
// it is blocked, and all the stats.
func FuzzQueue(f *testing.F) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 20+r.IntN(400))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) { runScript(t, script) })
	})
}

var (
	clusterNames = []string{"a", "b", "c"}
	objectNames  = []string{"w", "x", "y", "z"}

	// heldItems are what Hold.Items may be.
	heldItems = []func(state) bool{
		nil,
		func(s state) bool { return s.name == "x" },
		func(s state) bool { return s.cluster != "b" && s.name != "z" },
		func(state) bool { return true },
	}
)

// run is a queue, its model, and the calls that are blocked in the queue.
type run struct {
	t       *testing.T
	q       *stateQueue
	m       *model
	script  []byte
	version int
	calls   int
	results chan string
	work    []state           // handed out and not Done
	offers  map[string]func() // label -> cancel
	rooms   map[string]func()
	removes map[string]func()
	stops   map[string]func()
	log     []string
}

// next takes a number below n from the script; zero at its end.
func (r *run) next(n int) int {
	if len(r.script) == 0 {
		return 0
	}
	b := int(r.script[0])
	r.script = r.script[1:]
	return b % n
}

func runScript(t *testing.T, script []byte) {
	r := &run{
		t: t, script: script, results: make(chan string, 1000),
		offers: make(map[string]func()), rooms: make(map[string]func()), removes: make(map[string]func()), stops: make(map[string]func()),
	}
	o := queue.Options[state, string]{
		LaneCapacity: 1 + r.next(6),
		LaneBytes:    int64(4 + r.next(40)),
	}
	o.DropOnShutDown = r.next(2) == 1
	if r.next(2) == 1 {
		o.Known = func(cluster string) bool { return cluster != clusterNames[0] }
	}
	newer := r.next(2) == 1
	if newer {
		o.Newer = func(a, b state) bool { return a.version > b.version }
	}
	o.Discard = func(s state) { r.results <- fmt.Sprintf("discard: %s %d", s.id(), s.version) }
	limit := r.limit()
	newLimiter := func() workqueue.TypedRateLimiter[string] {
		return workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, 10*time.Second)
	}
	r.m = &model{
		capacity: o.LaneCapacity, bytes: o.LaneBytes, newer: newer, knows: o.Known, drops: o.DropOnShutDown,
		buckets: ratelimit.New(limit), limiter: newLimiter(), now: time.Now(),
		lanes: make(map[string]*modelLane), weights: make(map[string]int), inWork: make(map[string]*modelWork),
		refused: make(map[string]bool), removals: make(map[*modelLane][]string),
	}
	o.Buckets, o.RateLimiter = ratelimit.New(limit), newLimiter()
	r.m.listed, o.SnapshotBuckets = r.m.buckets, o.Buckets
	if r.next(2) == 1 {
		limit := r.limit()
		r.m.listed, o.SnapshotBuckets = ratelimit.New(limit), ratelimit.New(limit)
	}
	r.q = newStateQueue(o)
	r.q.Lanes() // from now on durations are measured
	for len(r.script) > 0 && !t.Failed() {
		r.step()
		r.compare()
	}
	r.finish()
}

func (r *run) limit() ratelimit.Limit {
	return []ratelimit.Limit{{}, {QPS: 1, Burst: 1}, {QPS: 3, Burst: 2}, {QPS: 0.1, Burst: 5}}[r.next(4)]
}

func (r *run) cluster() string { return clusterNames[r.next(len(clusterNames))] }

func (r *run) item() state {
	r.version++
	version := r.version
	if r.m.newer { // or else the last one is
		version -= r.next(8)
	}
	return state{r.cluster(), objectNames[r.next(len(objectNames))], version, r.next(12)}
}

func (r *run) priority() int { return []int{0, 0, -100, 1, -1}[r.next(5)] }

// call starts a call that may block. What it returns becomes a result.
func (r *run) call(kind string, f func(ctx context.Context) string) (label string, cancel func()) {
	r.calls++
	label = fmt.Sprintf("%s %d", kind, r.calls)
	ctx, cancel := context.WithCancel(r.t.Context())
	go func() {
		defer cancel()
		r.results <- label + ": " + f(ctx)
	}()
	return label, cancel
}

func result(err error) string {
	if errors.Is(err, context.Canceled) {
		return "canceled"
	}
	return fmt.Sprint(err)
}

func (r *run) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// step does one operation to both.
func (r *run) step() {
	q, m := r.q, r.m
	switch r.next(29) {
	case 0, 1, 2:
		s := r.item()
		r.note("Add(%v)", s)
		q.Add(s)
		m.add(s, 0)
	case 3:
		s, p := r.item(), r.priority()
		r.note("AddWithOpts(%v, %d)", s, p)
		q.AddWithOpts(opts{Priority: &p}, s)
		m.add(s, p)
	case 4, 5, 6, 7:
		s, p := r.item(), r.priority()
		if m.isHeld(s) && len(m.waiters) > 0 {
			break // several look again in no order
		}
		label, cancel := r.call("offer", func(ctx context.Context) string { return result(q.Offer(ctx, s, p)) })
		r.note("%s: Offer(%v, %d)", label, s, p)
		r.offers[label] = cancel
		m.offer(label, s, p)
	case 8:
		if label, cancel := r.pending(r.offers); label != "" {
			r.note("cancel %s", label)
			cancel()
			m.cancelOffer(label)
		}
	case 9, 10, 11, 12:
		if m.getters < 2 {
			r.note("Get()")
			m.getters++
			go func() {
				s, p, shutdown := q.GetWithPriority()
				if shutdown {
					r.results <- "get: shutdown"
					return
				}
				r.results <- fmt.Sprintf("get: %s %d %d %d", s.id(), s.version, s.size, p)
			}()
		}
	case 13, 14:
		if s, ok := r.pop(); ok {
			r.note("Done(%v)", s)
			q.Done(s)
			m.done(s)
		}
	case 15, 16: // it fails, perhaps after it was said to be done
		if s, ok := r.pop(); ok {
			p := r.priority()
			o := []opts{{RateLimited: true}, {After: time.Second}, {RateLimited: true, After: 150 * time.Millisecond}}[r.next(3)]
			o.Priority = &p
			late := r.next(4) == 0
			r.note("AddWithOpts(%v, %+v, %d), late = %v", s, o, p, late)
			if late {
				q.Done(s)
				m.done(s)
				r.compare() // whoever is blocked in Get comes first
			}
			q.AddWithOpts(o, s)
			m.bringBack(s, o.After, o.RateLimited, p)
			if !late {
				q.Done(s)
				m.done(s)
			}
		}
	case 17:
		s, d := r.item(), time.Duration(r.next(5)-1)*time.Second
		r.note("AddAfter(%v, %v)", s, d)
		q.AddAfter(s, d)
		m.bringBack(s, d, false, 0)
	case 18:
		d := time.Duration(1+r.next(40)) * 50 * time.Millisecond
		r.note("sleep %v", d)
		time.Sleep(d)
		m.sleep(d)
	case 19:
		c, l := r.cluster(), r.limit()
		r.note("SetLimit(%s, %v)", c, l)
		if r.next(2) == 1 {
			q.SetLimit(c, l)
			m.buckets.Set(c, l)
		} else {
			q.SetSnapshotLimit(c, l)
			m.listed.Set(c, l)
		}
		if l := m.lanes[c]; l != nil {
			m.unthrottle(l)
		}
	case 20:
		c, w := r.cluster(), 1+r.next(4)
		r.note("SetWeight(%s, %d)", c, w)
		q.SetWeight(c, w)
		m.weights[c] = w
		if l := m.lanes[c]; l != nil {
			l.Weight, l.credit = w, min(l.credit, w)
		}
	case 21:
		c := r.cluster()
		label, cancel := r.call("remove", func(ctx context.Context) string { return result(q.RemoveCluster(ctx, c)) })
		r.note("%s: RemoveCluster(%s)", label, c)
		r.removes[label] = cancel
		m.remove(label, c)
	case 22:
		if label, cancel := r.pending(r.removes); label != "" {
			r.note("cancel %s", label)
			cancel()
			m.cancelRemoval(label)
		}
	case 23:
		r.shutDown(r.next(40))
	case 24:
		s, p := r.item(), r.priority()
		_, want := m.tryOffer(s, p)
		err := q.TryOffer(s, p)
		r.note("TryOffer(%v, %d) = %v", s, p, err)
		if !errors.Is(err, want) {
			r.t.Fatalf("after\n%v\nwant %v", r.log, want)
		}
	case 25:
		c := r.cluster()
		label, cancel := r.call("room", func(ctx context.Context) string { return result(q.WaitRoom(ctx, c)) })
		r.note("%s: WaitRoom(%s)", label, c)
		r.rooms[label] = cancel
		m.waitRoom(label, c)
	case 26:
		if label, cancel := r.pending(r.rooms); label != "" {
			r.note("cancel %s", label)
			cancel()
			m.cancelRoom(label)
		}
	case 27:
		n := r.next(4)
		r.note("SetInFlight(%d)", n)
		q.SetInFlight(n)
		m.inFlight = n
	case 28:
		h := queue.Hold[state]{All: r.next(6) == 0}
		if r.next(2) == 0 {
			h.Clusters = map[string]bool{r.cluster(): true}
		}
		items := r.next(len(heldItems))
		h.Items = heldItems[items]
		for len(m.waiters) > 0 { // see model.hold
			label := m.waiters[0].label
			r.note("cancel %s", label)
			r.offers[label]()
			m.cancelWaiter(label)
			r.compare()
		}
		r.note("Hold(%v, %v, items %d)", h.All, h.Clusters, items)
		q.Hold(h)
		m.hold(h)
	}
}

// shutDown is a step that most scripts do not take.
func (r *run) shutDown(how int) {
	q, m := r.q, r.m
	switch how {
	case 0, 1:
		r.note("ShutDown()")
		q.ShutDown()
		m.shutDown()
	case 2, 3:
		label, _ := r.call("drain", func(context.Context) string { q.ShutDownWithDrain(); return "drained" })
		r.note("%s: ShutDownWithDrain()", label)
		m.drains = append(m.drains, label)
		m.setShut()
	case 4, 5:
		label, cancel := r.call("stop", func(ctx context.Context) string { return fmt.Sprint("left ", q.Stop(ctx)) })
		r.note("%s: Stop()", label)
		r.stops[label] = cancel
		m.stops = append(m.stops, label)
		m.setShut()
	case 6, 7:
		if label, cancel := r.pending(r.stops); label != "" {
			r.note("cancel %s", label)
			cancel()
			m.finishStop(label)
		}
	case 8:
		l := r.limit()
		r.note("SetDefaultLimit(%v)", l)
		q.SetDefaultLimit(l)
		m.buckets.SetDefault(l)
		m.unthrottleAll()
	}
}

// pending picks one of the blocked calls.
func (r *run) pending(calls map[string]func()) (label string, cancel func()) {
	labels := make([]string, 0, len(calls))
	for label := range calls {
		labels = append(labels, label)
	}
	if len(labels) == 0 {
		return "", nil
	}
	slices.Sort(labels)
	label = labels[r.next(len(labels))]
	return label, calls[label]
}

// pop takes one of the items in work.
func (r *run) pop() (s state, ok bool) {
	if len(r.work) == 0 {
		return s, false
	}
	i := r.next(len(r.work))
	s = r.work[i]
	r.work = slices.Delete(r.work, i, i+1)
	return s, true
}

// compare lets everything come to rest and compares.
func (r *run) compare() {
	r.t.Helper()
	synctest.Wait()
	r.m.serve()
	r.m.settle(false)
	r.m.serve() // a Stop that has ended may have let go of lanes that waited for a token
	var results []string
	for len(r.results) > 0 {
		results = append(results, <-r.results)
	}
	for _, s := range results {
		r.took(s)
	}
	slices.Sort(results)
	slices.Sort(r.m.events)
	type seen struct {
		Results []string
		Lanes   []queue.LaneStats
		Len     int
		Known   int // identities
		Shut    bool
		Failed  []int
	}
	want := seen{r.m.events, r.m.stats(), r.m.len(), r.m.known(), r.m.shut, nil}
	got := seen{results, r.q.Lanes(), r.q.Len(), r.q.Known(), r.q.ShuttingDown(), nil}
	for _, c := range clusterNames {
		for _, n := range objectNames {
			s := state{cluster: c, name: n}
			want.Failed = append(want.Failed, r.m.limiter.NumRequeues(s.id()))
			got.Failed = append(got.Failed, r.q.NumRequeues(s))
		}
	}
	r.m.events = nil
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Fatalf("after\n%v\nqueue and model differ (-model +queue):\n%s", r.log, diff)
	}
	for _, s := range got.Lanes {
		if s.Added != s.Coalesced+s.HandedOut+s.DroppedRemoved+s.DroppedShutdown+uint64(s.Live+s.Snapshot+s.Delayed+s.Aside) {
			r.t.Fatalf("after\n%v\nthe accounts of the lane do not add up: %+v", r.log, s)
		}
	}
}

// took notes the end of a blocked call.
func (r *run) took(result string) {
	r.note("-> %s", result)
	var s state
	var id string
	var priority int
	if n, _ := fmt.Sscanf(result, "get: %s %d %d %d", &id, &s.version, &s.size, &priority); n == 4 {
		s.cluster, s.name = id[:1], id[2:]
		r.work = append(r.work, s)
		return
	}
	for _, calls := range []map[string]func(){r.offers, r.rooms, r.removes, r.stops} {
		for label := range calls {
			if len(result) > len(label) && result[:len(label)+1] == label+":" {
				delete(calls, label)
			}
		}
	}
}

// finish ends all blocked calls, and compares once more.
func (r *run) finish() {
	q, m := r.q, r.m
	if r.t.Failed() {
		return
	}
	for _, calls := range []map[string]func(){r.stops, r.removes, r.offers, r.rooms} {
		for len(calls) > 0 && !r.t.Failed() {
			label, cancel := r.pending(calls)
			r.note("cancel %s", label)
			cancel()
			m.cancelRemoval(label)
			m.cancelOffer(label)
			m.cancelRoom(label)
			if slices.Contains(m.stops, label) {
				m.finishStop(label)
			}
			r.compare()
		}
	}
	q.SetInFlight(0)
	m.inFlight = 0
	for len(r.work) > 0 {
		s, _ := r.pop()
		r.note("Done(%v)", s)
		q.Done(s)
		m.done(s)
		r.compare()
	}
	r.note("ShutDown()")
	q.ShutDown()
	m.shutDown()
	r.compare()
	label, cancel := r.call("stop", func(ctx context.Context) string { return fmt.Sprint("left ", q.Stop(ctx)) })
	cancel()
	m.finishStop(label) // nobody needs to wait for a token any more
	r.compare()
}
