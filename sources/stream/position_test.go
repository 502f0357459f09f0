package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// TestPositions plays two watches of the same objects: numbers are frames, with a * those
// of bookmarks; ~ begins another watch, and ! one after a snapshot.
func TestPositions(t *testing.T) {
	play := func(s string) (p position) {
		for _, f := range strings.Fields(s) {
			version, bookmark := strings.CutSuffix(f, "*")
			if from, again := strings.CutPrefix(f, "~"); again {
				p.end()
				p.begin(from)
				continue
			}
			if from, snapshot := strings.CutPrefix(f, "!"); snapshot {
				p.end()
				p.restart()
				p.begin(from)
				continue
			}
			p.frame(version, bookmark)
		}
		return p
	}
	for _, test := range []struct {
		mine, other string
		covers      bool
	}{
		{"~10", "~10", true},
		{"~10", "~11", false},
		{"~11", "~10", true},
		{"~10 11", "~10 11", true},
		{"~10 11", "~10 11 12", false},
		{"~10 11", "~10 11 12 15*", false},
		{"~10 11", "~10 11 15*", true},     // there is nothing up to 15
		{"~10", "~10 15* 18*", true},       // likewise
		{"~10 11", "~10 11 15* 18", false}, // 18 is dealt with, or has been
		{"~10 11", "~10 11 15* ~15 18*", true},
		{"~10 11", "~10 11 15* ~12 18*", true},
		{"~10 11", "~10 11 15* ~16 18*", false},
		{"~10 11", "~10 11 15* !15 18*", false}, // a snapshot does not tell what there was
		{"~10 11", "~10 11 15* !12 18*", false}, // nor of which history it is
		{"~10 11 15*", "~10 11 !15", true},
		// A deletion with an old version lies behind the newest frame.
		{"~10 12 14", "~10 12 14 11", false},
		{"~10 11", "~10 12 14 11", false},
		{"~10 12 14 11", "~10 12 14 11", false}, // it may be another one
		{"~10 12 14 15*", "~10 12 14 11", false},
		{"~10 12 14 15", "~10 12 14 14", false},
		{"~10 12 14", "~10 12 14 11 20*", false}, // it lies behind 14
		{"~10 12 14 11 20*", "~10 12 14 11 20*", true},
		{"~10 12 14 11", "~10 12 14", true},
		// Versions that are no numbers have no order.
		{"~a", "~a", true},
		{"~a b", "~a b", true},
		{"~a b", "~a c", false},
		{"~a b", "~a b c*", false},
		{"~a b", "~10", false},
		{"~10", "~a", false},
	} {
		if mine := play(test.mine); mine.covers(play(test.other)) != test.covers {
			t.Errorf("who has come to %q has all of %q: want %t", test.mine, test.other, test.covers)
		}
	}
	if p := play("~10 11"); p.covers(position{}) || new(position).covers(p) {
		t.Error("without a watch")
	}
}

// behindHarness is a stream with the routes a and b, of which b has a lane for one change
// and has left the watch at version 11.
type behindHarness struct {
	*harness
	main *fakeBody
	lane chan *pipeline.Change // of b
}

func startBehind(t *testing.T) *behindHarness {
	t.Helper()
	h := &behindHarness{lane: make(chan *pipeline.Change, 2)}
	h.harness = start(t, func(o *Options) {
		o.Routes = append(o.Routes, Route{Name: "b", Queue: &fakeQueue{changes: h.lane}})
	})
	h.main = h.live()
	h.take("added a uid-a@1 snapshot", "added b uid-b@2 snapshot")
	for len(h.lane) < cap(h.lane) {
		h.lane <- nil
	}
	<-h.lane
	h.main.send(event("MODIFIED", "a", 11), event("MODIFIED", "b", 12))
	h.quiet(2 * holdMost)
	h.wantInStep(false)
	h.want(true, "updated a uid-a@11", "updated b uid-b@12")
	return h
}

// joinedByAList is a stream whose route b has come to version 20 by a list of its own, and has
// joined the watch again, which is at version 12.
func joinedByAList(t *testing.T) *behindHarness {
	t.Helper()
	h := startBehind(t)
	h.take("updated a uid-a@11")
	h.call("watch from 11").reply(410, status(410, "Expired", ""))
	list := h.call("streaming list").open()
	list.send(event("ADDED", "a", 11), event("ADDED", "b", 12), endMark("20"))
	h.take("updated b uid-b@12 snapshot")
	list.send(mark("20"))
	h.wantInStep(true)
	return h
}

// take has the sink of b accept what waits, which must be that.
func (h *behindHarness) take(changes ...string) {
	h.t.Helper()
	synctest.Wait()
	for len(h.lane) > 0 {
		c := <-h.lane
		if c == nil {
			continue
		}
		if begin(c); len(changes) == 0 || describe(c) != changes[0] {
			h.t.Fatalf("b has %q, want %q", describe(c), changes)
		}
		changes = changes[1:]
		c.Origin.Tracker.Ack(c)
	}
	if len(changes) > 0 {
		h.t.Fatalf("b lacks %q; status: %+v", changes, h.stream.Status().Routes)
	}
}

func (h *behindHarness) wantInStep(want bool) {
	h.t.Helper()
	synctest.Wait()
	for _, r := range h.stream.Status().Routes {
		if r.Route == "b" && r.InStep != want {
			h.t.Fatalf("b is in step: %t; status: %+v", r.InStep, r)
		}
	}
}

// A route that is behind has shown it all what the others have: nothing came after that
// but bookmarks. It joins them at once, although its own position is an older one.
func TestRouteJoinsAQuietWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBehind(t)
		h.main.send(mark("20"))
		h.take("updated a uid-a@11")
		own := h.call("watch from 11")
		body := own.open()
		h.wantInStep(false)
		body.send(event("MODIFIED", "b", 12))
		h.wantInStep(true)
		if own.Context().Err() == nil {
			t.Error("its own watch goes on")
		}
		h.take("updated b uid-b@12")
		h.main.send(event("MODIFIED", "a", 21))
		h.want(true, "updated a uid-a@21")
		h.take("updated a uid-a@21")
		age()
		h.main.end()
		h.call("watch from 21") // of both
		h.quiet(time.Second)
	})
}

// A deletion may have the version of the state that it ends: a route that has come to
// that version has not seen the deletion.
func TestRouteGetsADeletionWithTheLastVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBehind(t)
		h.take("updated a uid-a@11")
		h.call("watch from 11").open().send(event("MODIFIED", "b", 12))
		h.wantInStep(true)
		h.take("updated b uid-b@12")
		h.main.send(event("DELETED", "b", 12), event("MODIFIED", "a", 14))
		h.want(true, "deleted b uid-b@12", "updated a uid-a@14")
		h.take("deleted b uid-b@12", "updated a uid-a@14")
	})
}

// Nor is a watch further back because the last frame that it has shown is of an old version:
// who has come to that version lacks all that came since.
func TestRouteDoesNotJoinAtAnOldVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBehind(t)
		h.main.send(event("ADDED", "c", 13), event("DELETED", "a", 11))
		h.want(true, "added c uid-c@13", "deleted a uid-a@11")
		h.take("updated a uid-a@11")
		body := h.call("watch from 11").open()
		h.wantInStep(false)
		body.send(event("MODIFIED", "b", 12))
		h.take("updated b uid-b@12")
		body.send(event("ADDED", "c", 13))
		h.take("added c uid-c@13")
		h.wantInStep(false) // the deletion is still to come
		body.send(event("DELETED", "a", 11))
		h.take("deleted a uid-a@11")
		h.main.send(mark("20"))
		h.wantInStep(false)
		body.send(mark("20"))
		h.wantInStep(true)
	})
}

// A route that has come further by a list may have missed a deletion with an old version, or
// not. If it has no room for it, its own watch need not show it again: a snapshot tells.
func TestRouteWithoutRoomForADeletionWithAnOldVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := joinedByAList(t)
		for len(h.lane) < cap(h.lane) {
			h.lane <- nil
		}
		h.main.send(event("DELETED", "a", 11))
		h.quiet(2 * holdMost)
		h.wantInStep(false)
		h.want(true, "deleted a uid-a@11")
		h.take()
		list := h.call("streaming list").open()
		list.send(event("ADDED", "b", 12), endMark("20"))
		h.take("deleted a uid-a@20 snapshot tombstone nothing")
		h.main.send(mark("20"))
		list.send(mark("20"))
		h.wantInStep(true)
	})
}

// What a route skips it has seen in a history that has ended, if the server was restored: the
// same versions come again, with other states.
func TestRouteSkipsNothingOfARestoredServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := joinedByAList(t)
		age()
		h.main.end()
		h.call("watch from 12").reply(504, `{"kind":"Status","status":"Failure","reason":"Timeout","code":504,"details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}}`)
		h.call("list by 1").reply(200, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"10"},"items":[]}`)
		list := h.call("streaming list").open()
		list.send(event("ADDED", "a", 5), event("ADDED", "b", 6))
		h.take("updated a uid-a@5 snapshot", "updated b uid-b@6 snapshot")
		list.send(endMark("10"), event("MODIFIED", "a", 15))
		h.take("updated a uid-a@15")
		h.want(true, "updated a uid-a@5 snapshot", "updated b uid-b@6 snapshot", "updated a uid-a@15")
	})
}

// A deletion without a version of its own is skipped by nobody who has come as far by a
// bookmark or a list alone, and does not end what else is skipped.
func TestOddDeletionIsSkippedBehindFramesOnly(t *testing.T) {
	b := &branch{skip: 16}
	if b.has(16, true) || !b.has(16, false) {
		t.Error("by a bookmark: the deletion is skipped, or a frame is not")
	}
	if b.framed = true; !b.has(16, true) || b.has(17, true) || b.has(16, false) {
		t.Error("by a frame: what lies behind it is skipped, or what does not is not")
	}
	var p position
	for _, step := range []struct {
		what   string
		do     func()
		framed bool
	}{
		{"a list", func() { p.begin("10") }, false},
		{"a frame", func() { p.frame("11", false) }, true},
		{"an odd deletion", func() { p.frame("10", false) }, true},
		{"the next watch, from there", func() { p.end(); p.begin("11") }, true},
		{"a bookmark", func() { p.frame("15", true) }, false},
		{"another frame", func() { p.frame("16", false) }, true},
		{"another list", func() { p.restart(); p.begin("16") }, false},
	} {
		if step.do(); p.framed != step.framed {
			t.Errorf("after %s it is framed: %t", step.what, p.framed)
		}
	}
}

// What a route has seen in its own watch it skips in the one that it joins, also where
// nothing else tells: of what came and went, the ledger remembers nothing once the resume
// point is behind it.
func TestRouteSkipsWhatItHasSeenByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBehind(t)
		age()
		h.main.end()
		again := h.call("watch from 12") // nobody can join before it is answered
		h.take("updated a uid-a@11")
		body := h.call("watch from 11").open()
		body.send(event("MODIFIED", "b", 12), event("ADDED", "c", 13))
		h.take("updated b uid-b@12", "added c uid-c@13")
		body.send(event("DELETED", "c", 14))
		h.take("deleted c uid-c@14")
		h.wantInStep(false)
		h.main = again.open()
		h.call("watch from 14").open() // which checks whether it can join
		h.wantInStep(true)
		h.main.send(event("ADDED", "c", 13), event("DELETED", "c", 14), event("MODIFIED", "a", 15))
		h.want(true, "added c uid-c@13", "deleted c uid-c@14", "updated a uid-a@15")
		h.take("updated a uid-a@15")
	})
}

// Routes that begin at different positions share a watch from the oldest one. Those that
// are further skip what they have seen before.
func TestRouteSkipsWhatItHasSeenBeforeItsBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startBehind(t)
		h.main.send(event("ADDED", "c", 13), event("DELETED", "c", 14), mark("20"))
		h.want(true, "added c uid-c@13", "deleted c uid-c@14")
		h.take("updated a uid-a@11")
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.run()
		h.main = h.call("watch from 11").open() // of both
		h.main.send(event("MODIFIED", "b", 12), event("ADDED", "c", 13))
		h.take("updated b uid-b@12", "added c uid-c@13")
		h.main.send(event("DELETED", "c", 14), event("MODIFIED", "a", 21))
		h.take("deleted c uid-c@14", "updated a uid-a@21")
		h.want(true, "updated a uid-a@21")
		h.wantInStep(true)
	})
}
