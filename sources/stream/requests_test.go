package stream

import (
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		_, _ = h.stream.Replay()
		_, _ = h.stream.Replay() // before the first has begun
		body := h.call("streaming list").open()
		if s := h.wantState(member.Syncing); s.Reason != "replay" {
			t.Errorf("status: %+v", s)
		}
		// b is gone, which nobody has told.
		body.send(event("ADDED", "a", 1), event("ADDED", "c", 12), endMark("20"))
		h.want(true, "updated a uid-a@1 snapshot", "added c uid-c@12 snapshot", "deleted b uid-b@20 snapshot tombstone nothing")
		s := h.wantState(member.Live)
		if s.Snapshots["replay"] != 1 || s.Reconnects["snapshot_requested"] != 1 || s.Unacked != 0 || s.Known != 2 || s.LastError != "" {
			t.Errorf("status: %+v", s)
		}
		body.send(event("MODIFIED", "a", 21))
		h.want(true, "updated a uid-a@21")
		age()
		body.end()
		h.call("watch from 21") // that was all
	})
}

// Requests that come while a replay is under way become one more after it.
func TestReplayDuringReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		_, _ = h.stream.Replay()
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1))
		for range 3 {
			_, _ = h.stream.Replay()
		}
		body.send(event("ADDED", "b", 2), endMark("20"))
		ended := time.Now()
		body = h.call("streaming list").open()
		if past := time.Since(ended); past != 0 {
			t.Errorf("the next one began after %s, want at once", past)
		}
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("30"))
		h.want(true, "updated a uid-a@1 snapshot", "updated b uid-b@2 snapshot", "updated a uid-a@1 snapshot", "updated b uid-b@2 snapshot")
		h.wantState(member.Live)
		h.quiet(time.Minute)
	})
}

// It outlives whatever happens to the connection, whether it was asked for
// before or meanwhile.
func TestReplaySurvivesReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		age()
		body.end()
		h.call("watch from 10").reply(503, status(503, "ServiceUnavailable", ""))
		h.wantState(member.BackingOff)
		_, _ = h.stream.Replay()
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1))
		body.end()
		h.call("streaming list").reply(403, status(403, "Forbidden", ""))
		if s := h.wantState(member.Waiting); s.Reason != "forbidden" {
			t.Errorf("status: %+v", s)
		}
		h.conn.renew(t, "cluster-1")
		h.call("streaming list").reply(422, status(422, "Invalid", ""))
		h.call("list by 500").reply(200, `{"metadata":{"resourceVersion":"20"},"items":[`+configMap("a", 1)+`,`+configMap("b", 2)+`]}`)
		h.call("watch from 20").open()
		h.want(true, "updated a uid-a@1 snapshot", "updated a uid-a@1 snapshot", "updated b uid-b@2 snapshot")
		h.wantState(member.Live)
		h.quiet(time.Minute)
	})
}

// It has no slot yet when the session is replaced.
func TestReplayThatHasNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := semaphore.NewWeighted(1)
		h := start(t, func(o *Options) { o.Snapshots = s })
		body := h.live()
		if err := s.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		_, _ = h.stream.Replay()
		synctest.Wait()
		h.conn.renew(t, "cluster-1")
		synctest.Wait()
		s.Release(1)
		body.end()
		h.call("streaming list").open().send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated a uid-a@1 snapshot", "updated b uid-b@2 snapshot")
		h.wantState(member.Live)
	})
}

// What interrupts a replay costs what was under way: a restart of the process goes
// on with it.
func TestReplayOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		_, _ = h.stream.Replay()
		h.call("streaming list").open().send(event("ADDED", "a", 1))
		h.want(true, "updated a uid-a@1 snapshot")
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.ledger.Leave("c")
		h.run()
		h.call("streaming list").open().send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated b uid-b@2 snapshot")
		if s := h.wantState(member.Live); s.Duplicate != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

// A replay that is asked for before the member has been reached is not lost with the stream, as
// when settings change: the next one begins with it, once.
func TestReplayBeforeAnythingIsClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := New(h.opts).Replay(); err != nil { // which never runs
			t.Fatal(err)
		}
		h.ledger.Reopen([]string{"a"})
		h.run()
		h.call("streaming list").open().send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated a uid-a@1 snapshot", "updated b uid-b@2 snapshot")
		h.wantState(member.Live)
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.ledger.Reopen([]string{"a"})
		h.run()
		h.call("watch from 20").open()
		if _, err := New(h.opts).Replay(); err != nil {
			t.Fatal(err)
		}
		h.ledger.Leave("c")
		if kept := h.ledger.Kept(); len(kept) > 0 {
			t.Errorf("what was asked for of a cluster that has left is kept: %q", kept)
		}
	})
}

// Whatever else a snapshot is for, a restart in the middle takes another one:
// what was known is not to be trusted.
func TestNothingToResumeFromWithinASnapshot(t *testing.T) {
	for name, cause := range map[string]func(h *harness, body *fakeBody){
		"backwards": func(_ *harness, body *fakeBody) { body.send(mark("5")) },
		"expired": func(h *harness, body *fakeBody) {
			body.end()
			h.call("watch from 10").reply(410, status(410, "Expired", ""))
		},
		"audit": func(h *harness, _ *fakeBody) { h.stream.main.Load().requests.add(audited) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				body := h.live()
				age()
				cause(h, body)
				body = h.call("streaming list").open()
				body.send(event("ADDED", "a", 3))
				if s := h.wantState(member.Syncing); s.Snapshots[name] != 1 || s.Reason != name {
					t.Errorf("status: %+v", s)
				}
				if err := h.stop(); err != nil {
					t.Fatal(err)
				}
				h.ledger.Leave("c")
				<-h.queue.changes
				h.run()
				h.call("streaming list").open().send(event("ADDED", "a", 3), event("ADDED", "b", 2), endMark("20"))
				h.want(true, "updated a uid-a@3 snapshot")
			})
		})
	}
}
