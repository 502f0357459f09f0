package stream

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/ratelimit"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// limit gives the stream's resource a limit. It returns how to change that.
func (h *harness) limit(l ratelimit.Limit) (set func(ratelimit.Limit)) {
	bucket := ratelimit.NewBucket(l)
	throttle := NewThrottle(bucket)
	h.stream.SetThrottles(map[string]*Throttle{h.stream.Status().Resource: throttle})
	return func(l ratelimit.Limit) {
		bucket.Set(l)
		throttle.Changed()
	}
}

// counts returns how many changes a queue has been offered that were not taken yet.
func (q *fakeQueue) counts() int {
	synctest.Wait()
	return len(q.changes)
}

// A stream with a limit reads on when there is a token, and says that it waits. States that
// nobody delivers take none. The end of the limit is the end of the wait.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		set := h.limit(ratelimit.Limit{QPS: 0.1, Burst: 2})
		var frames []string
		for i := range 20 {
			frames = append(frames, event("MODIFIED", "a", 11+i))
		}
		body.send(event("MODIFIED", "a", 1), event("ADDED", "b", 2), mark("10")) // which sinks have
		go body.send(frames...)                                                  // the stream does not read them all at once
		if n := h.queue.counts(); n != 2 {
			t.Errorf("%d were read at once, with a burst of 2", n)
		}
		st := h.wantState(member.Live)
		if st.LimitedSince.IsZero() || st.Reason != "limited" || st.Unacked != 1 {
			t.Errorf("it does not say that it waits: %+v", st)
		}
		time.Sleep(30*time.Second + time.Millisecond)
		if n := h.queue.counts(); n != 5 {
			t.Errorf("%d were read after 30 s at one in 10 s", n)
		}
		set(ratelimit.Limit{QPS: 1, Burst: 1})
		time.Sleep(3*time.Second + time.Millisecond)
		if n := h.queue.counts(); n != 8 {
			t.Errorf("%d were read after 3 s at one per second", n)
		}
		set(ratelimit.Limit{})
		if n := h.queue.counts(); n != 20 {
			t.Errorf("%d were read without a limit", n)
		}
		h.stream.SetThrottles(nil)
		st = h.wantState(member.Live)
		if !st.LimitedSince.IsZero() || st.Reason != "" || st.LimitedSeconds < 33 || st.LimitedSeconds > 34 {
			t.Errorf("it says that it waits: %+v", st)
		}
	})
}

// A limit of another resource is none.
func TestThrottleOfAnotherResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		bucket := ratelimit.NewBucket(ratelimit.Limit{QPS: 0.001, Burst: 1})
		h.stream.SetThrottles(map[string]*Throttle{"others.example.com": NewThrottle(bucket)})
		body.send(event("MODIFIED", "a", 11), event("MODIFIED", "a", 12), event("MODIFIED", "a", 13))
		if n := h.queue.counts(); n != 3 {
			t.Errorf("%d were read", n)
		}
	})
}

// A wait for a token is no silence of the server, however long it is; and a change costs one
// token, to however many routes it goes. None of them is detached for it.
func TestThrottleOfAllRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := &fakeQueue{changes: make(chan *pipeline.Change, 1000), refuse: make(chan error)}
		h := start(t, func(o *Options) { o.Routes = append(o.Routes, Route{Name: "b", Queue: other}) })
		body := h.live()
		before := other.counts()
		h.limit(ratelimit.Limit{QPS: 0.001, Burst: 1})
		go func() {
			for i := range 5 {
				body.send(event("MODIFIED", "a", 11+i))
			}
		}()
		time.Sleep(3000*time.Second + time.Millisecond)
		if a, b := h.queue.counts(), other.counts()-before; a != 4 || b != 4 {
			t.Errorf("%d and %d were read after 3000 s at one in 1000 s", a, b)
		}
		h.quiet(time.Millisecond)
		for _, r := range h.wantState(member.Live).Routes {
			if !r.InStep {
				t.Errorf("%s is behind: %s", r.Route, r.Why)
			}
		}
		if stale, _ := h.conn.isStale(); stale {
			t.Error("it is stale although it is the limit that it waits for")
		}
	})
}

// A snapshot takes tokens for what it delivers, the deletions that it finds included. It may take
// as long as it needs.
func TestThrottleOfSnapshots(t *testing.T) {
	for _, pages := range []bool{false, true} {
		t.Run(fmt.Sprintf("pages=%v", pages), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, func(o *Options) { o.Config.SyncTimeout = time.Minute })
				h.live()
				h.limit(ratelimit.Limit{QPS: 0.01, Burst: 1})
				_, _ = h.stream.Replay()
				call := h.call("streaming list")
				if pages {
					call.reply(404, status(404, "NotFound", "no streaming lists"))
					h.call("list by 500").reply(200, listOf(20, "", configMap("c", 12), configMap("d", 13)))
				} else {
					go call.open().send(event("ADDED", "c", 12), event("ADDED", "d", 13), endMark("20"))
				}
				for i := range 4 { // c and d, and the deletions of a and b
					if n := h.queue.counts(); n != 1+i {
						t.Fatalf("%d were read after %d s", n, i*100)
					}
					if i < 3 {
						h.wantState(member.Syncing)
						time.Sleep(100*time.Second + time.Millisecond)
					}
				}
				if pages {
					h.call("watch from 20").open()
				}
				time.Sleep(100 * time.Second)
				h.wantState(member.Live)
			})
		})
	}
}

// A stop ends a wait for a token, and so does the end of the stream. Nothing is lost by it.
func TestThrottleThatIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		set := h.limit(ratelimit.Limit{QPS: 0.001, Burst: 1})
		body.send(event("MODIFIED", "a", 11), event("MODIFIED", "a", 12))
		h.want(true, "updated a uid-a@11")
		resource := h.stream.Status().Resource
		h.stream.SetPaused(map[string]Pause{resource: Stopped})
		h.wantState(member.Paused)
		if !body.closed() {
			t.Error("the watch is open")
		}
		set(ratelimit.Limit{})
		h.stream.SetPaused(nil)
		body = h.call("watch from 11").open()
		body.send(event("MODIFIED", "a", 12))
		h.want(true, "updated a uid-a@12")
		set(ratelimit.Limit{QPS: 0.001, Burst: 1})
		body.send(event("MODIFIED", "a", 13), event("MODIFIED", "a", 14))
		synctest.Wait()
		if err := h.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A stream that waits for a token hears of what it is asked, and of new credentials, at once: a
// token may be a quarter of an hour away. Nothing is lost, and nothing costs a token twice.
func TestThrottleHearsOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		set := h.limit(ratelimit.Limit{QPS: 0.001, Burst: 1})
		body.send(event("MODIFIED", "a", 11), event("MODIFIED", "a", 12))
		h.want(true, "updated a uid-a@11")
		if h.wantState(member.Live).LimitedSince.IsZero() {
			t.Fatal("it does not wait")
		}
		began := time.Now()
		h.conn.renew(t, "cluster-1")
		h.call("watch from 11").open()
		h.wantState(member.Live)
		_, _ = h.stream.Replay()
		body = h.call("streaming list").open()
		if past := time.Since(began); past > time.Minute {
			t.Errorf("it has taken %v", past)
		}
		set(ratelimit.Limit{})
		body.send(event("ADDED", "a", 12), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated a uid-a@12 snapshot", "updated b uid-b@2 snapshot")
		h.wantState(member.Live)
	})
}

// A deletion that a snapshot has found waits for its token over a change of credentials, after
// which nothing is read again.
func TestThrottledSweepGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.limit(ratelimit.Limit{QPS: 0.01, Burst: 1})
		_, _ = h.stream.Replay()
		go h.call("streaming list").open().send(endMark("20"))
		if n := h.queue.counts(); n != 1 {
			t.Errorf("%d deletions came at once", n)
		}
		h.conn.renew(t, "cluster-1")
		h.quiet(99 * time.Second)
		time.Sleep(2 * time.Second)
		h.want(true, "deleted b uid-b@20 snapshot tombstone nothing", "deleted a uid-a@20 snapshot tombstone nothing")
		h.call("watch from 20").open()
		h.wantState(member.Live)
	})
}

// For how long a stream has waited never falls, whenever one looks: it is a counter.
func TestWaitsOnlyGrow(t *testing.T) {
	var w waits
	over := make(chan struct{})
	go func() {
		defer close(over)
		a, b := new(reader), new(reader)
		for range 5000 {
			w.begin(a)
			w.begin(b)
			w.end(a)
			w.end(b)
		}
	}()
	for last := 0.0; ; {
		select {
		case <-over:
			return
		default:
		}
		var st Status
		if w.tell(&st); st.LimitedSeconds < last {
			t.Fatalf("it was %v, and is %v", last, st.LimitedSeconds)
		}
		last = st.LimitedSeconds
	}
}

// fixedBucket lacks a token for as long as it is told, whatever is spent.
type fixedBucket struct{ lacks atomic.Int64 }

func (b *fixedBucket) Missing(time.Time) time.Duration { return time.Duration(b.lacks.Load()) }
func (b *fixedBucket) Spend(time.Time)                 {}

// While a stream waits for a token it holds no memory, also if the last frame was a large one
// that nobody needed.
func TestThrottleHoldsNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := budget.New(0, 1, MostReading)
		h := start(t, func(o *Options) { o.Routes[0].Memory = memory.Route() })
		body := h.live()
		var bucket fixedBucket
		throttle := NewThrottle(&bucket)
		h.stream.SetThrottles(map[string]*Throttle{"configmaps": throttle})
		bucket.lacks.Store(int64(time.Hour)) // from the next frame but one on
		large := strings.Replace(event("MODIFIED", "a", 1), `"k":"v"`, `"k":"`+strings.Repeat("v", 1<<20)+`"`, 1)
		body.send(large)
		st := h.wantState(member.Live)
		if m := memory.Stats(); st.LimitedSince.IsZero() || st.Duplicate != 1 || m.Reading != 0 {
			t.Errorf("it holds %+v while it waits: %+v", m, st)
		}
		bucket.lacks.Store(0)
		throttle.Changed()
		body.send(event("MODIFIED", "a", 11))
		h.want(true, "updated a uid-a@11")
	})
}
