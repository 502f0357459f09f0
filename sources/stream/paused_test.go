package stream

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A stream that is stopped closes its watch, opens none, and goes on from where it was.
func TestStopAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "a", 11))
		h.want(true, "updated a uid-a@11")
		resource := h.stream.Status().Resource
		h.stream.SetPaused(map[string]Pause{"others.example.com": Stopped})
		h.quiet(time.Minute)
		h.stream.SetPaused(map[string]Pause{resource: Held}) // its queue holds it
		h.quiet(time.Minute)
		h.wantState(member.Live)
		h.stream.SetPaused(map[string]Pause{resource: Stopped})
		h.quiet(time.Hour)
		h.wantState(member.Paused)
		h.stream.SetPaused(nil)
		body = h.call("watch from 11").open()
		body.send(event("MODIFIED", "a", 12))
		h.want(true, "updated a uid-a@12")
		h.wantState(member.Live)
	})
}

// One that is stopped before it knows what it follows finds that out, and watches nothing.
func TestStoppedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.stream = New(h.opts)
		h.stream.SetPaused(map[string]Pause{"configmaps": Stopped})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- h.stream.Run(ctx) }()
		h.quiet(time.Hour)
		h.wantState(member.Paused)
		h.stream.SetPaused(nil)
		h.call("watch from 10").open()
		h.wantState(member.Live)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A stop ends an Offer that blocks, and the watch with it. When the stream is resumed, what it
// could not hand over is read again, before what comes after it.
func TestStopEndsAnOfferThatBlocks(t *testing.T) {
	for name, routes := range map[string]int{"alone": 1, "one of two": 2} {
		synctest.Test(t, func(t *testing.T) {
			other := &fakeQueue{changes: make(chan *pipeline.Change, 1000), refuse: make(chan error)}
			h := start(t, func(o *Options) {
				if routes == 2 {
					o.Routes = append(o.Routes, Route{Name: "b", Queue: other})
				}
			})
			body := h.live()
			for len(other.changes) > 0 {
				c := <-other.changes
				begin(c)
				c.Origin.Tracker.Ack(c)
			}
			lane := h.queue.changes
			synctest.Wait()
			h.queue.changes = make(chan *pipeline.Change) // it is full
			body.send(event("MODIFIED", "a", 11), event("MODIFIED", "b", 12))
			synctest.Wait()
			h.stream.SetPaused(map[string]Pause{h.stream.Status().Resource: Stopped})
			h.quiet(time.Hour)
			h.wantState(member.Paused)
			if !body.closed() {
				t.Errorf("%s: the watch is open", name)
			}
			synctest.Wait()
			h.queue.changes = lane
			h.stream.SetPaused(nil)
			body = h.call("watch from 10").open()
			body.send(event("MODIFIED", "a", 11), event("MODIFIED", "b", 12))
			h.want(true, "updated a uid-a@11", "updated b uid-b@12")
		})
	}
}

// A snapshot under way is cut too, and begins anew.
func TestStopEndsASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1))
		h.want(true, "added a uid-a@1 snapshot")
		h.stream.SetPaused(map[string]Pause{h.stream.Status().Resource: Stopped})
		h.quiet(time.Hour)
		h.wantState(member.Paused)
		if !body.closed() {
			t.Error("the list is open")
		}
		h.stream.SetPaused(nil)
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10"))
		h.want(true, "added b uid-b@2 snapshot")
		h.wantState(member.Live)
	})
}

// A stream that was silent for too long, and is stopped, leaves its cluster's connection in
// peace.
func TestStoppedIsNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(mark("11"))
		h.call("watch from 11") // it has been silent
		if stale, _ := h.conn.isStale(); !stale {
			t.Fatal("it is not stale")
		}
		h.stream.SetPaused(map[string]Pause{h.stream.Status().Resource: Stopped})
		h.quiet(time.Minute)
		h.wantState(member.Paused)
		if stale, _ := h.conn.isStale(); stale {
			t.Error("it is stale although it is stopped")
		}
	})
}
