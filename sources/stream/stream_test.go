package stream

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestSnapshotThenLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		call := h.call("streaming list")
		q := call.query()
		if call.URL.Path != "/api/v1/configmaps" || q.Get("resourceVersionMatch") != "NotOlderThan" ||
			q.Get("allowWatchBookmarks") != "true" || q.Has("resourceVersion") {
			t.Errorf("streaming list asks for %s", call.URL)
		}
		body := call.open()
		body.send(event("ADDED", "a", 1))
		h.wantState(member.Syncing)
		body.send(event("ADDED", "b", 2), mark("3"), event("DELETED", "a", 4), endMark("10"))
		h.want(true, "added a uid-a@1 snapshot", "added b uid-b@2 snapshot", "deleted a uid-a@4 snapshot")
		h.wantState(member.Live)

		body.send(event("MODIFIED", "b", 11), event("ADDED", "c", 12), event("DELETED", "b", 13))
		h.want(true, "updated b uid-b@11", "added c uid-c@12", "deleted b uid-b@13")
		// Recreated under another UID, which the sink must be told.
		body.send(event("DELETED", "c", 14), event("ADDED", "c@other", 15), mark("20"))
		h.want(true, "deleted c uid-c@14", "added c other@15")
		body.send(event("MODIFIED", "c@third", 21))
		h.want(true, "added c third@21 instead of other")

		got := h.stream.Status()
		if got.Observed != 9 || got.Known != 1 || got.Unacked != 0 || got.Resource != "configmaps" || got.Bytes == 0 {
			t.Errorf("status: %+v", got)
		}
		if err := h.stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestChangeSaysAllThatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Spec.Namespace = "ns" })
		call := h.call("streaming list")
		if call.URL.Path != "/api/v1/namespaces/ns/configmaps" {
			t.Errorf("path is %s", call.URL.Path)
		}
		call.open().send(event("ADDED", "a", 1))
		c := <-h.queue.changes
		if c.Key != (pipeline.Key{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: "a"}) {
			t.Errorf("key is %v", c.Key)
		}
		o := c.Origin
		if o.Cluster != "c" || o.ClusterUID != "cluster-1" || o.Kind != "ConfigMap" || !o.Namespaced || o.Resource.Version != "v1" {
			t.Errorf("origin is %+v", o)
		}
		want := `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","uid":"uid-a","resourceVersion":"1"},"data":{"k":"v"}}`
		if string(c.Object) != want || !c.Observed.Equal(time.Now()) {
			t.Errorf("object is %s, observed at %s", c.Object, c.Observed)
		}
	})
}

func TestWatchesOnFromTheLastFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "a", 11), mark("15"))
		age()
		body.end()
		call := h.call("watch from 15") // with nothing acked of 11: resume is from what was seen
		if s := call.query().Get("timeoutSeconds"); len(s) != 3 {
			t.Errorf("timeoutSeconds = %s, want 300 to 599", s)
		}
		h.wantState(member.Live)
		body = call.open()
		body.send(event("MODIFIED", "b", 16))
		age()
		body.fail(io.ErrUnexpectedEOF)
		h.call("watch from 16")
		h.want(true, "updated a uid-a@11", "updated b uid-b@16")
		want := map[string]uint64{"closed": 1, "network": 1}
		if diff := cmp.Diff(want, h.stream.Status().Reconnects); diff != "" {
			t.Errorf("reconnects (-want +got):\n%s", diff)
		}
	})
}

func TestResumesFromTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "a", 11), event("MODIFIED", "b", 12))
		c := <-h.queue.changes
		begin(c)
		c.Origin.Tracker.Ack(c)
		if err := h.stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		h.ledger.Leave("c") // what a restart forgets
		for range len(h.queue.changes) {
			<-h.queue.changes
		}
		h.run()
		body = h.call("watch from 11").open() // 12 was not acked
		body.send(event("MODIFIED", "a", 11), event("MODIFIED", "b", 12))
		h.want(true, "updated b uid-b@12")
		s := h.wantState(member.Live)
		if s.Outdated+s.Duplicate != 1 || len(s.Snapshots) != 0 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestExpired(t *testing.T) {
	for name, expire := range map[string]func(*fakeCall){
		"on open":                  func(c *fakeCall) { c.reply(410, status(410, "Expired", "too old")) },
		"on open, in words of old": func(c *fakeCall) { c.reply(410, status(410, "Gone", "too old")) },
		"in a frame": func(c *fakeCall) {
			body := c.open()
			body.send(`{"type":"ERROR","object":` + status(410, "Expired", "too old") + `}`)
			body.end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				body := h.live()
				age()
				body.end()
				expire(h.call("watch from 10"))
				began := time.Now()
				body = h.call("streaming list").open()
				if time.Since(began) != 0 {
					t.Errorf("the snapshot began after %s, want at once", time.Since(began))
				}
				body.send(event("ADDED", "b", 2), event("ADDED", "c", 25), endMark("30"))
				h.want(true, "added c uid-c@25 snapshot", "deleted a uid-a@30 snapshot tombstone nothing")
				s := h.wantState(member.Live)
				if s.Duplicate != 1 || s.Tombstones != 1 || s.Snapshots["expired"] != 1 || s.Reconnects["expired"] != 1 {
					t.Errorf("status: %+v", s)
				}
				age()
				body.end()
				h.call("watch from 30")
			})
		})
	}
}

func TestExpiredAgainAndAgainBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		began, snapshots := time.Now(), 0
		for time.Since(began) < 30*time.Minute {
			select {
			case c := <-h.server.calls:
				if c.query().Get("sendInitialEvents") == "" {
					c.reply(410, status(410, "Expired", "too old"))
					continue
				}
				snapshots++
				body := c.open()
				body.send(endMark("10"), `{"type":"ERROR","object":`+status(410, "Expired", "too old")+`}`)
				body.end()
			case <-time.After(time.Minute):
			}
		}
		// About one a minute: each delay is drawn from [0, ReconnectMax] and
		// so 30 s in the mean, once it has grown.
		if snapshots < 10 || snapshots > 200 {
			t.Errorf("%d snapshots in half an hour", snapshots)
		}
	})
}

func TestPagesWhereThereIsNoStreamingList(t *testing.T) {
	for _, code := range []int{400, 405, 422} {
		synctest.Test(t, func(t *testing.T) {
			h := start(t)
			h.call("streaming list").reply(code, status(code, "Invalid", "sendInitialEvents is forbidden"))
			item := func(name string) string {
				return `{"metadata":{"name":"` + name + `","namespace":"ns","uid":"uid-` + name + `","resourceVersion":"1","managedFields":[{}]}}`
			}
			h.call("list by 500").reply(200, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"10","continue":"more"},"items":[`+item("a")+`,`+item("b")+`]}`)
			// As custom resources are: alphabetical, metadata last.
			h.call("list at more by 500").reply(200, `{"apiVersion":"v1","items":[`+item("c")+`],"kind":"ConfigMapList","metadata":{"continue":"","resourceVersion":"11"}}`)
			// From the first page's version: nothing can be missed after that.
			body := h.call("watch from 10").open()
			synctest.Wait()
			c := <-h.queue.changes
			if want := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"ns","uid":"uid-a","resourceVersion":"1"}}`; string(c.Object) != want {
				t.Errorf("object is %s, want %s", c.Object, want)
			}
			h.want(true, "added b uid-b@1 snapshot", "added c uid-c@1 snapshot")
			h.wantState(member.Live)

			// It is remembered for the session, and only for that.
			age()
			body.end()
			h.call("watch from 10").reply(410, status(410, "Expired", ""))
			h.call("list by 500").reply(200, `{"metadata":{"resourceVersion":"20"},"items":null}`)
			synctest.Wait()
			if n := len(h.queue.changes); n != 3 { // a was taken but not acked
				t.Errorf("%d tombstones after an empty list, want 3", n)
			}
			body = h.call("watch from 20").open()
			h.conn.renew(t, "cluster-1")
			h.call("watch from 20").reply(410, status(410, "Expired", ""))
			h.call("streaming list")
			body.end()
		})
	}
}

func TestContinueTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list").reply(422, status(422, "Invalid", ""))
		h.call("list by 500").reply(200, `{"metadata":{"resourceVersion":"10","continue":"more"},"items":[`+configMap("a", 1)+`,`+configMap("b", 2)+`]}`)
		more := h.call("list at more by 500")
		age()
		more.reply(410, status(410, "Expired", "token expired"))
		// Again in pages; a is gone meanwhile, and that must not be missed.
		h.want(true, "added a uid-a@1 snapshot", "added b uid-b@2 snapshot")
		h.call("list by 500").reply(200, `{"metadata":{"resourceVersion":"20"},"items":[`+configMap("b", 2)+`]}`)
		h.call("watch from 20")
		h.want(true, "deleted a uid-a@20 snapshot tombstone nothing")
	})
}

// A server whose tokens are never good is not asked in a hot loop.
func TestContinueTokenExpiresAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list").reply(422, status(422, "Invalid", ""))
		h.call("list by 500").reply(200, `{"metadata":{"resourceVersion":"10","continue":"more"},"items":[]}`)
		h.call("list at more by 500").reply(410, status(410, "Expired", "token expired"))
		if s := h.wantState(member.BackingOff); s.Reconnects["expired"] != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestInterruptedSnapshotStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2))
		body.end()
		s := h.wantState(member.BackingOff)
		if s.Attempt != 1 || s.NextRetry.IsZero() {
			t.Errorf("status: %+v", s)
		}
		body = h.call("streaming list").open()
		body.send(event("ADDED", "b", 2), endMark("10"))
		synctest.Wait()
		// a was never acked, but a sink may see it: it needs its tombstone.
		h.want(false, "added a uid-a@1 snapshot", "added b uid-b@2 snapshot", "added b uid-b@2 snapshot",
			"deleted a uid-a@10 snapshot tombstone nothing")
		h.wantState(member.Live)
	})
}

func TestNewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.conn.renew(t, "cluster-1")
		body := h.call("watch from 10").open() // at once, the old watch still being open
		body.send(event("MODIFIED", "a", 11))
		h.want(true, "updated a uid-a@11")

		if s := h.stream.Status(); s.Reconnects["session_changed"] != 1 || len(s.Snapshots) != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestReplacedSessionGivenOutAgainIsNoHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		h.conn.end()
		h.conn.end = nil
		for began := time.Now(); time.Since(began) < 10*time.Minute; {
			select {
			case c := <-h.server.calls:
				c.open()
			case <-time.After(time.Minute):
			}
		}
		if n := h.stream.Status().Reconnects["session_changed"]; n < 3 || n > 100 {
			t.Errorf("%d attempts in ten minutes", n)
		}
	})
}

func TestRunEnds(t *testing.T) {
	for name, until := range map[string]func(h *harness){
		"in a call":           func(*harness) { synctest.Wait() },
		"in a snapshot":       func(h *harness) { h.call("streaming list").open().send(event("ADDED", "a", 1)) },
		"in a watch":          func(h *harness) { h.live() },
		"backing off":         func(h *harness) { h.call("streaming list").fail(errors.New("refused")) },
		"waiting for a right": func(h *harness) { h.call("streaming list").reply(403, status(403, "Forbidden", "")) },
		"blocked in Offer": func(h *harness) {
			h.queue.changes = nil
			h.call("streaming list").open().send(event("ADDED", "a", 1))
			synctest.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				until(h)
				began := time.Now()
				if err := h.stop(); err != nil || time.Since(began) != 0 {
					t.Errorf("Run = %v after %s, want nil at once", err, time.Since(began))
				}
			})
		})
	}
}

func TestRunFails(t *testing.T) {
	removed := errors.New("cluster removed")
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		h.queue.changes = nil
		body.send(event("ADDED", "c", 11))
		h.queue.refuse <- removed
		synctest.Wait()
		if err := h.stop(); !errors.Is(err, removed) {
			t.Errorf("Run = %v, want %v", err, removed)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Connection.(*fakeConnection).gone = removed })
		synctest.Wait()
		if err := h.stop(); !errors.Is(err, removed) {
			t.Errorf("Run = %v, want %v", err, removed)
		}
	})
}
