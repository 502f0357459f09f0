package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// frameOf is how a watch that was accepted fails.
func frameOf(status string) func(*fakeCall) {
	return func(c *fakeCall) { c.reply(200, `{"type":"ERROR","object":`+status+"}\n") }
}

// tooLargeVersion is what an API server says that waits for its cache in vain.
const tooLargeVersion = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Timeout","code":504,
	"details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1}}`

// A server that has no streaming list to give, however it says so, is read in
// pages at once, and is asked for none any more when that was no accident.
func TestStreamingListThatTheServerCannotServe(t *testing.T) {
	for name, refuse := range map[string]func(*fakeCall){
		// As kube-apiserver does where its etcd cannot tell it how far it is.
		"an ERROR frame with 500":   frameOf(status(500, "InternalError", "the required storage feature RequestWatchProgress is disabled")),
		"a cache that stays behind": frameOf(compact(tooLargeVersion)),
		"the same by its code":      func(c *fakeCall) { c.reply(504, tooLargeVersion) },
		"500":                       replies(500, "InternalError"),
		"404":                       replies(404, "NotFound"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				for version := 10; version < 30; version += 10 {
					if h.stream.Status().Reconnects["rejected"] > 0 {
						t.Error("what was served in pages counts as refused")
					}
					refuse(h.call("streaming list"))
					began := time.Now()
					h.call("list by 500").reply(200, listOf(version, "", configMap("a", 1)))
					if time.Since(began) != 0 {
						t.Errorf("went on in pages after %s, want at once", time.Since(began))
					}
					body := h.watch(version)
					h.wantState(member.Live)
					if version == 10 {
						h.want(true, "added a uid-a@1 snapshot")
					}
					age()
					body.end()
					h.expire(version)
				}
				h.call("list by 500").reply(200, listOf(30, "", configMap("a", 1)))
				h.watch(30)
				h.wantState(member.Live)
				h.conn.renew(t, "cluster-1")
				h.expire(30)
				h.call("streaming list") // another session's server may have them
			})
		})
	}
}

// One that failed by accident is no reason to do without them.
func TestStreamingListThatFailedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		for version := 10; version < 50; version += 20 {
			replies(500, "InternalError")(h.call("streaming list"))
			h.call("list by 500").reply(200, listOf(version, ""))
			body := h.watch(version)
			age()
			body.end()
			h.expire(version)
			body = h.call("streaming list").open()
			body.send(endMark("20"))
			h.wantState(member.Live)
			age()
			body.end()
			h.expire(20)
		}
		h.call("streaming list")
	})
}

// While nothing is served, nothing is learned of streaming lists; and whoever is in
// doubt is not asked twice at once, but once an attempt is not enough.
func TestNothingIsServed(t *testing.T) {
	for name, fail := range map[string]func(*fakeCall){
		"503":               replies(503, "ServiceUnavailable"),
		"a page with 502":   page(502),
		"a page with 404":   page(404),
		"500":               replies(500, "InternalError"),
		"a refused request": replies(400, "BadRequest"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				calls := map[string]int{}
				began := time.Now()
				for time.Since(began) < time.Hour {
					select {
					case c := <-h.server.calls:
						calls[c.kind()]++
						fail(c)
					case <-time.After(time.Minute):
					}
				}
				if n := calls["streaming list"] + calls["list by 500"] + calls["list by 1"]; n < 40 || n > 500 {
					t.Errorf("calls in an hour: %v", calls)
				}
				for served := false; !served; { // well again
					switch c := <-h.server.calls; c.kind() {
					case "streaming list":
						c.open().send(endMark("10"))
						served = true
					case "list by 1":
						c.reply(200, listOf(10, ""))
					default:
						if fail(c); time.Since(began) > 2*time.Hour {
							t.Fatal("streaming lists are not asked for any more")
						}
					}
				}
				h.wantState(member.Live)
			})
		})
	}
}

// What a streaming list has told before it failed is of another time than the
// pages: what is gone meanwhile is swept all the same.
func TestRefusedInTheMiddleOfAStreamingList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live() // a@1, b@2 acked
		age()
		body.end()
		h.expire(10)
		body = h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), event("ADDED", "c", 11))
		h.want(true, "added c uid-c@11 snapshot")
		body.send(`{"type":"ERROR","object":` + status(422, "Invalid", "sendInitialEvents is forbidden") + `}`)
		// a and c are deleted now; the pages are of version 20 and hold b only.
		h.call("list by 500").reply(200, listOf(20, "", configMap("b", 2)))
		h.watch(20)
		h.wantState(member.Live)
		h.want(true, "deleted c uid-c@20 snapshot tombstone nothing", "deleted a uid-a@20 snapshot tombstone nothing")
	})
}

// A selector that is refused is nothing that time mends: it waits, with what the
// server said, and neither a slot nor a snapshot is spent on asking again.
func TestSelectorThatTheServerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := func(c *fakeCall) {
			c.reply(400, status(400, "BadRequest", "field label not supported: spec.a"))
		}
		slots := &slots{Weighted: semaphore.NewWeighted(8)}
		h := start(t, func(o *Options) { o.Spec.Fields, o.Snapshots = "spec.a=1", slots })
		refuse(h.call("streaming list"))
		refuse(h.call("list by 500"))
		for range 20 {
			s := h.wantState(member.Waiting)
			if s.Reason != "rejected" || !strings.Contains(s.LastError, "field label not supported: spec.a") || s.Snapshots["no_resume_point"] != 1 {
				t.Fatalf("status: %+v", s)
			}
			call := h.call("list by 1")
			if n := slots.held(); n != 0 || call.query().Get("fieldSelector") != "spec.a=1" {
				t.Fatalf("%d slots held, call %s", n, call.URL)
			}
			refuse(call)
		}
		// The custom resource gets that selectable field.
		h.call("list by 1").reply(200, listOf(9, ""))
		body := h.call("streaming list").open()
		body.send(endMark("10"))
		h.wantState(member.Live)
	})
}

// watch answers the next call, which must be a watch from a version.
func (h *harness) watch(version int) *fakeBody {
	h.t.Helper()
	return h.call(fmt.Sprint("watch from ", version)).open()
}

// expire lets the next watch, from that version, be too late.
func (h *harness) expire(version int) {
	h.t.Helper()
	h.call(fmt.Sprint("watch from ", version)).reply(410, status(410, "Expired", "too old"))
}

// compact puts JSON on one line, as frames are.
func compact(text string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		panic(err)
	}
	return b.String()
}

// A member whose pages lead nowhere would be asked for them, as fast as it
// answers, until the snapshot is overdue.
func TestPageThatFollowsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list").reply(422, status(422, "Invalid", ""))
		h.call("list by 500").reply(200, listOf(10, "more"))
		h.call("list at more by 500").reply(200, listOf(10, "more"))
		if s := h.wantState(member.BackingOff); s.Reason != "malformed" {
			t.Errorf("status: %+v", s)
		}
		h.call("streaming list").reply(422, status(422, "Invalid", ""))
		h.call("list by 500").reply(200, listOf(10, "more")) // empty, though others follow
		h.call("list at more by 500").reply(200, listOf(10, "", configMap("a", 1), configMap("b", 2)))
		h.want(true, "added a uid-a@1 snapshot", "added b uid-b@2 snapshot")
		h.watch(10)
		h.wantState(member.Live)
	})
}
