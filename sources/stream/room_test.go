package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// bounded starts a stream whose cluster may have n objects in the ledger, and takes
// it through its first snapshot of two.
func bounded(t *testing.T, n int, edit ...func(*Options)) (*harness, *fakeBody) {
	t.Helper()
	h := start(t, append(edit, func(*Options) {})...)
	h.bound(n)
	return h, h.live()
}

// bound is what a changed limit does.
func (h *harness) bound(n int) {
	if h.ledger.SetQuota("c", ledger.Quota{Objects: n}) {
		h.stream.MakeRoom()
	}
}

// wantShort checks that the stream says what it leaves out.
func (h *harness) wantShort(missing int) Status {
	h.t.Helper()
	s := h.wantState(member.Waiting)
	if s.Reason != "too_many_objects" || s.Missing != missing || !strings.Contains(s.LastError, "--max-objects") || s.Rejected["too_many_objects"] == 0 {
		h.t.Errorf("status: %+v, want %d missing", s, missing)
	}
	if at := h.cursor().ResumePoint(); at != "" {
		h.t.Errorf("a restart would watch from %s and never see what was left out", at)
	}
	return s
}

func TestTooManyObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, body := bounded(t, 2)
		body.send(event("ADDED", "c", 11), event("ADDED", "d", 12))
		h.want(true)
		h.wantShort(2)
		// What is known goes on, and so does a watch that ends; what was left out
		// was never delivered, so its deletion is not either.
		body.send(event("MODIFIED", "a", 13), event("MODIFIED", "c", 14), event("DELETED", "d", 15))
		h.want(true, "updated a uid-a@13")
		h.wantShort(1)
		age()
		body.end()
		body = h.call("watch from 15").open()
		body.send(event("DELETED", "b", 16))
		h.want(true, "deleted b uid-b@16")
		h.wantShort(1)
		// There is room now, and a snapshot is due in a while.
		h.quiet(h.stream.cfg.ReconnectMax)
		body.send(mark("17"))
		body = h.call("streaming list").open()
		if s := h.wantState(member.Syncing); s.Reason != "room" {
			t.Errorf("status: %+v", s)
		}
		body.send(event("ADDED", "a", 13), event("ADDED", "c", 14), endMark("20"))
		h.want(true, "added c uid-c@14 snapshot")
		if s := h.wantState(member.Live); s.Missing != 0 || s.Snapshots["room"] != 1 || h.cursor().ResumePoint() != "20" {
			t.Errorf("status: %+v, resume point %s", s, h.cursor().ResumePoint())
		}
		body.send(event("ADDED", "e", 21))
		h.want(true)
		h.wantShort(1)
	})
}

// What there is no room for is delivered to nobody, and nobody tells that it is gone: it is not
// among the objects on whose newest state a filter fails.
func TestNothingIsAmissWithWhatIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, body := bounded(t, 2, func(o *Options) {
			o.Routes[0].Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: object.data.k == 'v'"}})
		})
		fails := func(kind, name string, version int) string {
			return strings.Replace(event(kind, name, version), `"data":{"k":"v"}`, `"data":{}`, 1)
		}
		body.send(fails("MODIFIED", "a", 11), fails("ADDED", "c", 12))
		h.want(true, "updated a uid-a@11")
		if s := h.wantShort(1); s.Routes[0].FilterErrors != 2 || s.Routes[0].FilterFailing != 1 {
			t.Errorf("a filter fails on %d objects, want 1: %+v", s.Routes[0].FilterFailing, s.Routes[0])
		}
		h.bound(3)
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 13), event("ADDED", "b", 2), endMark("20")) // c is gone
		h.want(true, "updated a uid-a@13 snapshot")
		if s := h.wantState(member.Live); s.Routes[0].FilterFailing != 0 {
			t.Errorf("a filter fails on %d objects, want none", s.Routes[0].FilterFailing)
		}
	})
}

// A bound that is raised is noticed at once, and what has happened meanwhile is
// delivered: what was left out, and what a gap has hidden.
func TestBoundIsRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, body := bounded(t, 2)
		for i := range 1000 {
			body.send(event("ADDED", fmt.Sprint("invented-", i), 11+i))
		}
		h.want(true)
		h.wantShort(1000)
		h.bound(1) // is no reason to look
		h.quiet(time.Minute)
		h.bound(3)
		body = h.call("streaming list").open()
		// b is gone, c and d are new.
		body.send(event("ADDED", "a", 1), event("ADDED", "c", 1100), event("ADDED", "d", 1101), endMark("1200"))
		h.want(true, "added c uid-c@1100 snapshot", "deleted b uid-b@1200 snapshot tombstone nothing")
		h.wantShort(1)
		h.bound(0)
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "c", 1100), event("ADDED", "d", 1101), endMark("1201"))
		h.want(true, "added d uid-d@1101 snapshot")
		if s := h.wantState(member.Live); s.Missing != 0 {
			t.Errorf("status: %+v", s)
		}
		h.quiet(time.Minute)
	})
}

// What was left out is not forgotten when the streams of a member are made anew in
// the same process, as after its connection has failed.
func TestLeftOutByAnotherStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, body := bounded(t, 2)
		body.send(event("ADDED", "c", 11))
		h.want(true)
		h.wantShort(1)
		if err := h.stop(); err != nil {
			t.Fatal(err)
		}
		h.run()
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), event("ADDED", "c", 11), endMark("20"))
		h.want(true)
		h.wantShort(1)
		h.bound(3)
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), event("ADDED", "c", 11), endMark("21"))
		h.want(true, "added c uid-c@11 snapshot")
		h.wantState(member.Live)
	})
}

// A replay delivers what is known, and leaves out what is not.
func TestReplayOfTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := bounded(t, 2)
		_, _ = h.stream.Replay()
		body := h.call("streaming list").open()
		body.send(event("ADDED", "c", 11), event("ADDED", "b", 2), event("ADDED", "a", 1), endMark("20"))
		h.want(true, "updated b uid-b@2 snapshot", "updated a uid-a@1 snapshot")
		h.wantShort(1)
	})
}

// A snapshot that never ends because the member goes on inventing is given up, and
// begun again after a long while, or when the bound is raised.
func TestInventionsWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.bound(100)
		go func() { // acks
			for c := range h.queue.changes {
				begin(c)
				c.Origin.Tracker.Ack(c)
			}
		}()
		invent := func() (frames int, took time.Duration) {
			c := <-h.server.calls
			body, began := c.open(), time.Now()
			streams := c.kind() == "streaming list" // what takes too long is tried in pages
			if !streams {
				body.write(`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[`)
			}
			for ; c.Context().Err() == nil; frames++ {
				if name := fmt.Sprint("invented-", frames); streams {
					body.send(event("ADDED", name, 1+frames))
				} else {
					body.write(configMap(name, 1+frames) + ",")
				}
				if frames%100 == 0 {
					time.Sleep(time.Second) // as a member that is slow: a million frames take long here
				}
			}
			return frames, time.Since(began)
		}
		invent()
		s := h.wantState(member.Waiting)
		if s.Reason != "too_many_objects" || s.Known != 100 || s.Missing == 0 || s.NextRetry.IsZero() {
			t.Errorf("status: %+v", s)
		}
		if u := h.cursor().Room(); u.Objects != 0 {
			t.Errorf("room: %+v", u)
		}
		var pauses time.Duration
		for range 8 {
			began := time.Now()
			_, took := invent()
			pauses = time.Since(began) - took
		}
		if pauses < 30*time.Minute {
			t.Errorf("the ninth attempt came after %v", pauses)
		}
		h.wantState(member.Waiting)
		raised := time.Now()
		h.bound(101)
		h.call("list by 500").reply(200, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[`+configMap("invented-1", 2)+`]}`)
		h.call("watch from 9").open()
		if past := time.Since(raised); past > 0 {
			t.Errorf("the bound was raised %v ago", past)
		}
		h.wantState(member.Live)
		_ = h.stop()
		close(h.queue.changes)
	})
}

// A flood of what is left out is read at a bounded rate.
func TestFloodOfTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, body := bounded(t, 2)
		began := time.Now()
		for i := range 100 {
			var frames []string
			for j := range 300 {
				frames = append(frames, event("ADDED", fmt.Sprint("invented-", i, "-", j), 11+i))
			}
			body.send(frames...)
		}
		took := time.Since(began)
		time.Sleep(time.Second)
		h.want(true)
		h.wantShort(30_000)
		if took < 4*time.Second || took > 6*time.Second {
			t.Errorf("30,000 frames took %v", took)
		}
	})
}

// A cluster that is at its bound for a day, with objects coming and going all the
// time, costs its server few lists and the ledger no more than the bound.
func TestAtTheBoundForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Config.AuditInterval = time.Hour })
		h.bound(10)
		go func() {
			for c := range h.queue.changes {
				begin(c)
				c.Origin.Tracker.Ack(c)
			}
		}()
		version, lists := 1, 0
		alive := map[int]bool{}
		for i := range 12 {
			alive[i] = true
		}
		list := func(c *fakeCall) *fakeBody {
			if c.kind() != "streaming list" {
				t.Fatalf("call is a %s", c.kind())
			}
			lists++
			body := c.open()
			for i := range alive {
				body.send(event("ADDED", fmt.Sprint("o-", i), 1))
			}
			body.send(endMark(fmt.Sprint(version)))
			return body
		}
		body := list(<-h.server.calls)
		began := time.Now()
		for n := 100; time.Since(began) < 24*time.Hour; n++ {
			// Three go, so that there is room for all, and three others come.
			var gone []int
			for i := range alive {
				if len(gone) < 3 {
					gone = append(gone, i)
				}
			}
			for i, g := range gone {
				delete(alive, g)
				version++
				body.send(event("DELETED", fmt.Sprint("o-", g), version))
				alive[3*n+i] = true
			}
			time.Sleep(20 * time.Second)
			version++
			body.send(mark(fmt.Sprint(version)))
			for i := range 3 {
				version++
				body.send(event("ADDED", fmt.Sprint("o-", 3*n+i), version))
			}
			select {
			case c := <-h.server.calls:
				body = list(c)
			case <-time.After(20 * time.Second):
			}
			if s := h.stream.Status(); s.Known > 10 {
				t.Fatalf("status: %+v", s)
			}
		}
		if lists < 5 || lists > 60 {
			t.Errorf("%d lists in a day", lists)
		}
		if s := h.stream.Status(); s.Audits["differences"] > 0 {
			t.Errorf("audits: %v", s.Audits)
		}
		_ = h.stop()
		close(h.queue.changes)
	})
}
