package stream

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// A sink that has been behind comes up to the other one although their stream is limited, with
// fewer tokens than two readers of all changes would need, and the other one has all of them.
func TestARouteThatWasBehindUnderALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := &fakeQueue{changes: make(chan *pipeline.Change, 2), refuse: make(chan error)}
		h := start(t, func(o *Options) { o.Routes = append(o.Routes, Route{Name: "b", Queue: other}) })
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10"))
		synctest.Wait()

		stop := make(chan struct{})
		var newest, first, second atomic.Int64
		var hold atomic.Bool
		newest.Store(10)
		const nap = 10 * time.Millisecond
		every := func(d time.Duration, do func()) { // until stop
			go func() {
				tick := time.NewTicker(d)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						do()
					case <-stop:
						return
					}
				}
			}()
		}
		taking := func(q *fakeQueue, n *atomic.Int64) {
			for {
				select {
				case c := <-q.changes:
					begin(c)
					c.Origin.Tracker.Ack(c)
					n.Add(1)
				default:
					return
				}
			}
		}
		every(nap, func() { taking(h.queue, &first) })
		every(nap, func() {
			if !hold.Load() {
				taking(other, &second)
			}
		})
		serve := func(body *fakeBody, from int64) {
			every(nap, func() {
				for ; from < newest.Load(); from++ {
					if _, err := body.w.Write([]byte(event("MODIFIED", "a", int(from)+1) + "\n")); err != nil {
						return
					}
				}
			})
		}
		serve(body, 10)
		every(time.Second, func() {
			select {
			case c := <-h.server.calls:
				if from, ok := strings.CutPrefix(c.kind(), "watch from "); ok {
					n, _ := strconv.ParseInt(from, 10, 64)
					serve(c.open(), n)
				}
			default:
			}
		})
		every(2*time.Second/3, func() { newest.Add(1) })
		h.limit(ratelimit.Limit{QPS: 2, Burst: 2})

		time.Sleep(time.Minute)
		hold.Store(true)
		time.Sleep(10 * time.Minute)
		if st := h.stream.Status(); st.Routes[1].InStep {
			t.Fatal("the sink that takes nothing is not behind: this tests something else")
		}
		hold.Store(false)
		time.Sleep(5 * time.Minute)
		if st := h.stream.Status(); !st.Routes[1].InStep {
			t.Errorf("it is still behind: %s", st.Routes[1].Why)
		}
		if behind := newest.Load() - 10 - (first.Load() - 2); behind > 3 {
			t.Errorf("the other sink lacks %d changes", behind)
		}
		close(stop)
		if err := h.stop(); err != nil {
			t.Error(err)
		}
	})
}
