package stream

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// However many routes are behind at once, only so many of them read for themselves. The
// others wait until one has caught up or its turn is over, also if they have room.
func TestExtraWatchesAreBounded(t *testing.T) {
	const routes = 5 // that are behind
	for _, bound := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(bound), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lanes []chan *pipeline.Change
				h := start(t, func(o *Options) {
					o.ExtraWatches = bound
					for i := range routes {
						lanes = append(lanes, make(chan *pipeline.Change, 2))
						o.Routes = append(o.Routes, Route{Name: fmt.Sprint("behind-", i), Queue: &fakeQueue{changes: lanes[i]}})
					}
				})
				main := h.live()
				main.send(event("MODIFIED", "a", 11)) // for which there is no room
				h.quiet((routes + 1) * holdMost)
				h.want(true, "updated a uid-a@11")
				behind := func() (n int) {
					for _, route := range h.stream.Status().Routes {
						if !route.InStep {
							n++
						}
					}
					return n
				}
				if n := behind(); n != routes {
					t.Fatalf("%d routes are behind, want %d", n, routes)
				}
				for _, lane := range lanes {
					for len(lane) > 0 {
						c := <-lane
						begin(c)
						c.Origin.Tracker.Ack(c)
					}
				}
				var read []*fakeBody
				for left := routes; left > 0; left-- {
					for len(read) < min(bound, left) {
						read = append(read, h.call("watch from 10").open())
					}
					if h.quiet(3 * time.Second); behind() != left {
						t.Fatalf("%d routes are behind, want %d", behind(), left)
					}
					read[0].send(event("MODIFIED", "a", 11)) // with which it has caught up
					read = read[1:]
				}
				if h.quiet(3 * time.Second); behind() != 0 {
					t.Errorf("%d routes are behind in the end", behind())
				}
			})
		})
	}
}

// deepQueue is a lane that tells how deep the stack is of who waits for room in it.
type deepQueue struct {
	fakeQueue
	depths []int
}

func (q *deepQueue) WaitRoom(ctx context.Context, cluster string) error {
	q.depths = append(q.depths, runtime.Callers(0, make([]uintptr, 10_000)))
	return q.fakeQueue.WaitRoom(ctx, cluster)
}

// A route that gives its watch back again and again, because its sink stays slow, takes no
// more stack each time.
func TestStackOfARouteThatStaysBehind(t *testing.T) {
	const times = 20
	synctest.Test(t, func(t *testing.T) {
		slow := &deepQueue{fakeQueue: fakeQueue{changes: make(chan *pipeline.Change, 1)}}
		h := start(t, func(o *Options) { o.Routes = append(o.Routes, Route{Name: "slow", Queue: slow}) })
		var list []string
		for i := range times + 2 {
			list = append(list, event("ADDED", fmt.Sprint("o", i), 1+i))
		}
		list = append(list, endMark("100"))
		go func() {
			for {
				select {
				case c := <-h.server.calls:
					if body := c.open(); c.kind() == "streaming list" {
						go body.send(list...) // from its beginning, each time
					}
				case <-t.Context().Done():
					return
				}
			}
		}()
		for range times {
			time.Sleep(2 * noRoomFor) // for which there is none
			c := <-slow.changes
			begin(c)
			c.Origin.Tracker.Ack(c)
		}
		time.Sleep(noRoomFor + holdMost)
		synctest.Wait()
		if len(slow.depths) < times {
			t.Fatalf("the watch was given back %d times, want %d", len(slow.depths), times)
		}
		if first, last := slow.depths[1], slow.depths[len(slow.depths)-1]; last != first {
			t.Errorf("the stack is %d frames deep, and was %d at first", last, first)
		}
	})
}
