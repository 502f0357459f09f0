package stream

import (
	"strconv"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// lasts returns for how long a watch asks to be served.
func (c *fakeCall) lasts() time.Duration {
	seconds, err := strconv.Atoi(c.query().Get("timeoutSeconds"))
	if err != nil {
		panic(err)
	}
	return time.Duration(seconds) * time.Second
}

// A resource that sends no bookmarks and has nothing to tell, as events in a quiet
// cluster: each watch ends when it was asked to, and that is life enough.
func TestQuietResourceIsNotStale(t *testing.T) {
	for _, staleAfter := range []time.Duration{DefaultStaleAfter, 2 * time.Second, 40 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t, func(o *Options) { o.Config.StaleAfter = staleAfter })
			h.live()
			for i := range 100 {
				call := h.call("watch from 10")
				h.wantState(member.Live)
				if asked := call.lasts(); asked >= staleAfter || asked > 10*time.Minute {
					t.Fatalf("a watch of %s would be too silent after %s", asked, staleAfter)
				}
				body := call.open()
				time.Sleep(call.lasts())
				h.wantState(member.Live)
				if age := time.Since(h.stream.Status().LastFrame); i > 0 && age > staleAfter {
					t.Errorf("nothing was heard for %s", age)
				}
				body.end()
			}
			s := h.wantState(member.Live)
			if _, told := h.conn.isStale(); told || s.Reconnects["silent"] != 0 || s.Reconnects["quiet"] != 1 || s.Reconnects["closed"] != 100 || s.LastError != "" {
				t.Errorf("status: %+v", s)
			}
		})
	}
}

// A watch that hangs is found out all the same, behind a proxy that answers and
// passes nothing on, and stays stale until the server is heard.
func TestWatchThatHangs(t *testing.T) {
	for name, hears := range map[string]func(*fakeCall, *fakeBody){
		"a change":               func(_ *fakeCall, b *fakeBody) { b.send(event("MODIFIED", "a", 12)) },
		"a bookmark":             func(_ *fakeCall, b *fakeBody) { b.send(mark("12")) },
		"the end, when asked to": func(c *fakeCall, b *fakeBody) { time.Sleep(c.lasts()); b.end() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.live()
				began := time.Now()
				h.call("watch from 10").open() // nothing was promised so far
				h.wantState(member.Live)
				for range 5 {
					call := h.call("watch from 10")
					h.wantState(member.Stale)
					if stale, _ := h.conn.isStale(); !stale {
						t.Error("the connection is not told")
					}
					if late := time.Since(began) - 2*DefaultStaleAfter; late > 0 && began.Equal(h.stream.Status().Since) {
						t.Errorf("found out %s late", late)
					}
					call.open()
					h.wantState(member.Stale) // an answer is no frame
				}
				call := h.call("watch from 10")
				hears(call, call.open())
				h.wantState(member.Live)
				if stale, _ := h.conn.isStale(); stale {
					t.Error("the connection is not told that the stream is fresh again")
				}
			})
		})
	}
}

// One that is closed before it was asked to end proves nothing.
func TestStaleWatchThatIsClosedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live().send(mark("11"))
		call := h.call("watch from 11")
		body := call.open()
		time.Sleep(call.lasts() - time.Second)
		body.end()
		h.call("watch from 11").open()
		h.wantState(member.Stale)
	})
}

// A resource with bookmarks is watched for as long as ever, and is stale as soon as
// one is missing.
func TestBookmarksArePromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(mark("11"))
		age()
		body.end()
		call := h.call("watch from 11")
		if call.lasts() < 5*time.Minute {
			t.Errorf("watches for %s", call.lasts())
		}
		call.open()
		began := time.Now()
		h.call("watch from 11")
		h.wantState(member.Stale)
		if time.Since(began) != DefaultStaleAfter {
			t.Errorf("found out after %s", time.Since(began))
		}
		// Another server may have none.
		h.conn.renew(t, "cluster-1")
		if call = h.call("watch from 11"); call.lasts() >= DefaultStaleAfter {
			t.Errorf("watches for %s", call.lasts())
		}
	})
}

// An empty list in pages is an answer, too.
func TestEmptyListIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list").open() // which never ends
		h.call("list by 500").reply(200, listOf(10, ""))
		h.watch(10)
		h.wantState(member.Live)
	})
}

// What the question for a version is answered with is not asked twice: a server
// that wants to be left alone is, and no watch follows in the same instant.
func TestServerThatIsAskedForAVersionFails(t *testing.T) {
	const question = "/api/v1/namespaces/default/configmaps/" + noSuchObject + "?resourceVersion=10"
	for name, test := range map[string]struct {
		code   int
		body   string
		reason string
		delay  time.Duration
		opens  bool
	}{
		"429":                {code: 429, body: `{"kind":"Status","apiVersion":"v1","status":"Failure","code":429,"reason":"TooManyRequests","details":{"retryAfterSeconds":7}}`, reason: "throttled", delay: 7 * time.Second},
		"500":                {code: 500, body: status(500, "InternalError", "etcd"), reason: "unavailable"},
		"503":                {code: 503, body: status(503, "ServiceUnavailable", "starting"), reason: "unavailable"},
		"401":                {code: 401, body: status(401, "Unauthorized", ""), reason: "unauthorized"},
		"a page with 404":    {code: 404, body: "<html>default backend</html>", reason: "unavailable"},
		"get is not allowed": {code: 403, body: status(403, "Forbidden", ""), opens: true},
		"no get at all":      {code: 405, body: status(405, "MethodNotAllowed", ""), opens: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				body := h.live()
				age()
				h.server.fail(question, test.code, test.body)
				body.end()
				if test.opens {
					if test.code == 403 { // it may be listed
						h.call("list by ").reply(200, listOf(10, ""))
					}
					h.watch(10)
					h.wantState(member.Live)
					return
				}
				synctest.Wait()
				s := h.stream.Status()
				if s.Reconnects[test.reason] != 1 || time.Until(s.NextRetry) < test.delay {
					t.Errorf("next attempt in %s, status: %+v", time.Until(s.NextRetry), s)
				}
				h.server.fail(question, 404, status(404, "NotFound", ""))
				h.watch(10)
				h.wantState(member.Live)
			})
		})
	}
}
