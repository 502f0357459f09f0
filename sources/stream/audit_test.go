package stream

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

const auditEvery = 30 * time.Minute

func audits(o *Options) { o.Config.AuditInterval, o.Config.StaleAfter = auditEvery, 1000*time.Hour }

// listOf is a page, or all, of a list at a version.
func listOf(version int, token string, objects ...string) string {
	return fmt.Sprintf(`{"kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"%d","continue":%q},"items":[%s]}`,
		version, token, strings.Join(objects, ","))
}

func (h *harness) wantAudits(result string, n, differences uint64) {
	h.t.Helper()
	synctest.Wait()
	if s := h.stream.Status(); s.Audits[result] != n || s.AuditDifferences != differences || s.LastDifference.IsZero() != (differences == 0) {
		h.t.Errorf("audits: %v with %d differences, want %d %s with %d; status: %+v", s.Audits, s.AuditDifferences, n, result, differences, s)
	}
}

// pretend has a cursor note that a state was accepted.
func pretend(c *ledger.Cursor, n ledger.Name, v ledger.Version, gone bool) {
	o := c.Observe(n, v, gone, true, nil)
	c.Begin(o.Sequence, n, v, gone)
	c.Ack(o.Sequence, n, v, gone)
}

// tamper makes the ledger believe that sinks have accepted a state.
func (h *harness) tamper(name, uid, version string, gone bool) {
	synctest.Wait()
	pretend(h.cursor(), ledger.Name{Namespace: "ns", Name: name}, ledger.Version{UID: uid, ResourceVersion: version}, gone)
}

func TestAuditOfAHealthyStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := &slots{Weighted: semaphore.NewWeighted(1)}
		h := start(t, audits, func(o *Options) { o.Snapshots, o.Spec.Labels = slots, "app=x" })
		body := h.live()
		began := time.Now()
		call := h.call("list by 500")
		if past := time.Since(began); past < auditEvery/5 || past > auditEvery*6/5 {
			t.Errorf("the first audit came after %s", past)
		}
		if q := call.query(); !strings.HasPrefix(call.Header.Get("Accept"), "application/json;as=PartialObjectMetadataList") || q.Get("labelSelector") != "app=x" {
			t.Errorf("asks for %s, accepts %s", call.URL, call.Header.Get("Accept"))
		}
		if slots.held() != 1 {
			t.Error("reads a page without a slot")
		}
		time.Sleep(slotIdle)
		if slots.held() != 0 {
			t.Error("keeps its slot although nothing moves")
		}
		// The watch is at 10. It has not told of b's and c's states yet; of d it
		// tells before the second page is read, and of e after the list.
		call.reply(200, listOf(20, "more", configMap("a", 1)))
		call = h.call("list at more by 500")
		body.send(event("ADDED", "c", 15), event("ADDED", "d", 16), event("DELETED", "d", 17))
		call.reply(200, listOf(20, "", configMap("b", 19), configMap("c", 15), configMap("e", 20)))
		h.want(true, "added c uid-c@15", "added d uid-d@16", "deleted d uid-d@17")
		h.wantAudits("clean", 0, 0)
		body.send(event("MODIFIED", "b", 19), event("ADDED", "e", 20), event("DELETED", "e", 21), event("MODIFIED", "a", 22))
		h.want(true, "updated b uid-b@19", "added e uid-e@20", "deleted e uid-e@21", "updated a uid-a@22")
		time.Sleep(time.Second)
		h.wantAudits("clean", 1, 0)

		began = time.Now()
		h.call("list by 500")
		if past := time.Since(began); past < auditEvery*4/5-time.Second || past > auditEvery*6/5 {
			t.Errorf("the next audit came after %s", past)
		}
		if s := h.wantState(member.Live); len(s.Snapshots) != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

// Whatever the watch has told since the audit began must be known as it was
// told last; all else as it is listed.
func TestAuditFindsAndRepairs(t *testing.T) {
	for name, test := range map[string]struct {
		tamper func(h *harness)
		list   string   // at 20
		frames []string // told after the list
		want   []string // what the repair delivers
	}{
		"an object that the sinks do not have": {
			tamper: func(h *harness) { h.tamper("a", "uid-a", "1", true) },
			want:   []string{"added a uid-a@1 snapshot"},
		},
		"another state than one that a sink has refused": {
			tamper: func(h *harness) {
				synctest.Wait()
				n, v := ledger.Name{Namespace: "ns", Name: "a"}, ledger.Version{UID: "uid-a", ResourceVersion: "11"}
				o := h.cursor().Observe(n, v, false, false, nil)
				h.cursor().Begin(o.Sequence, n, v, false)
				h.cursor().Leave(o.Sequence, n)
			},
			list: listOf(20, "", configMap("a", 12), configMap("b", 2)), // which the watch does not tell
			want: []string{"updated a uid-a@1 snapshot"},
		},
		"an object that is gone": {
			tamper: func(h *harness) { h.tamper("ghost", "uid-ghost", "3", false) },
			want:   []string{"deleted ghost uid-ghost@30 snapshot tombstone nothing"},
		},
		"another state": {
			tamper: func(h *harness) { h.tamper("a", "uid-a", "900", false) },
			want:   []string{"updated a uid-a@1 snapshot"},
		},
		"another UID": {
			tamper: func(h *harness) { h.tamper("a", "before", "1", false) },
			want:   []string{"added a uid-a@1 snapshot instead of before"},
		},
		"taken for old when it was told": {
			tamper: func(h *harness) { h.tamper("b", "uid-b", "900", false) },
			list:   listOf(20, "", configMap("a", 1), configMap("b", 15)),
			frames: []string{event("MODIFIED", "b", 15)},
			want:   []string{"updated b uid-b@2 snapshot"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, audits)
				body := h.live()
				call := h.call("list by 500")
				test.tamper(h)
				if test.list == "" {
					test.list = listOf(20, "", configMap("a", 1), configMap("b", 2))
				}
				call.reply(200, test.list)
				h.wantAudits("differences", 0, 0) // the watch has not come so far
				body.send(test.frames...)
				body.send(mark("20"))
				body = h.call("streaming list").open()
				h.wantAudits("differences", 1, 1)
				body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("30"))
				h.want(true, test.want...)
				if s := h.wantState(member.Live); s.Snapshots["audit"] != 1 || s.Known != 2 {
					t.Errorf("status: %+v", s)
				}
				h.call("list by 500").reply(200, listOf(30, "", configMap("a", 1), configMap("b", 2)))
				h.wantAudits("clean", 1, 1)
			})
		})
	}
}

// A change that no sink has accepted yet is no difference, however long that
// takes.
func TestAuditWaitsForWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits)
		body := h.live()
		body.send(event("MODIFIED", "a", 11), event("DELETED", "b", 12))
		h.call("list by 500").reply(200, listOf(12, "", configMap("a", 11)))
		time.Sleep(auditPatience - time.Minute)
		h.wantAudits("clean", 0, 0)
		h.want(true, "updated a uid-a@11", "deleted b uid-b@12")
		time.Sleep(time.Second)
		h.wantAudits("clean", 1, 0)

		body.send(event("MODIFIED", "a", 21))
		h.call("list by 500").reply(200, listOf(21, "", configMap("a", 21)))
		time.Sleep(auditPatience)
		h.wantAudits("undecided", 1, 0)
	})
}

// An audit that did not look at all that seemed to differ does not say that
// nothing does. It is made again sooner, but not at once.
func TestAuditOfTooManySuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits)
		body := h.live()
		body.send(event("MODIFIED", "a", 11))
		call := h.call("list by 500")
		h.tamper("b", "uid-b", "900", false)
		h.stream.main.Load().auditor.current.Load().limit = 1
		list := listOf(11, "", configMap("a", 11), configMap("b", 2))
		call.reply(200, list) // a is on its way, and b comes after it
		h.want(true, "updated a uid-a@11")
		time.Sleep(time.Second)
		h.wantAudits("undecided", 1, 0)

		began := time.Now()
		call = h.call("list by 500")
		if past := time.Since(began); past < auditEvery/10-time.Second || past > auditEvery/5 {
			t.Errorf("the next audit came after %s", past)
		}
		call.reply(200, list)
		h.call("streaming list")
		h.wantAudits("differences", 1, 1)
	})
}

// A list of more than the ledger and the watch can know of is not read to its
// end: it may have none.
func TestAuditOfAListWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits)
		h.live()
		call := h.call("list by 500")
		synctest.Wait()
		h.stream.main.Load().auditor.current.Load().most = 3
		call.reply(200, listOf(10, "more", configMap("a", 1), configMap("b", 2), configMap("x", 3), configMap("x", 3)))
		h.call("streaming list")
		h.wantAudits("differences", 1, 1)
	})
}

func TestAuditThatCannotTell(t *testing.T) {
	for name, test := range map[string]struct {
		then   func(h *harness, list *fakeCall, body *fakeBody)
		result string
	}{
		"the watch does not come so far": {func(_ *harness, list *fakeCall, _ *fakeBody) {
			list.reply(200, listOf(20, "", configMap("a", 15)))
			time.Sleep(auditPatience)
		}, "undecided"},
		"a snapshot comes between": {func(h *harness, list *fakeCall, body *fakeBody) {
			list.reply(200, listOf(20, "", configMap("a", 15)))
			synctest.Wait()
			body.end()
			h.call("watch from 10").reply(410, status(410, "Expired", ""))
			h.call("streaming list")
		}, "interrupted"},
		"new credentials": {func(h *harness, list *fakeCall, _ *fakeBody) {
			list.reply(200, listOf(20, "", configMap("a", 15)))
			synctest.Wait()
			h.conn.renew(h.t, "cluster-1")
			h.call("watch from 10").open()
		}, "interrupted"},
		"the list is refused":     {func(_ *harness, list *fakeCall, _ *fakeBody) { list.reply(403, status(403, "Forbidden", "")) }, "failed"},
		"versions are no numbers": {func(_ *harness, list *fakeCall, _ *fakeBody) { list.reply(200, `{"metadata":{"resourceVersion":"x"}}`) }, "failed"},
		"it is no list":           {func(_ *harness, list *fakeCall, _ *fakeBody) { list.reply(200, `{"metadata":`) }, "failed"},
		"a page that follows itself": {func(h *harness, list *fakeCall, _ *fakeBody) {
			list.reply(200, listOf(10, "more", configMap("a", 1)))
			h.call("list at more by 500").reply(200, listOf(10, "more", configMap("a", 1)))
		}, "failed"},
		"pages without end": {func(h *harness, list *fakeCall, _ *fakeBody) {
			const each = openTimeout / 2
			for page := range int(2*DefaultSyncTimeout/each) - 1 {
				time.Sleep(each - time.Second)
				list.reply(200, listOf(10, fmt.Sprint(page)))
				list = h.call(fmt.Sprintf("list at %d by 500", page))
			}
			time.Sleep(time.Minute)
		}, "failed"},
		"the server does not move": {func(_ *harness, list *fakeCall, _ *fakeBody) { list.open(); time.Sleep(openTimeout) }, "failed"},
		"more changes than objects known": {func(h *harness, list *fakeCall, body *fakeBody) {
			h.stream.main.Load().auditor.current.Load().most = 3
			for i := range 4 {
				body.send(event("ADDED", fmt.Sprint("new-", i), 11+i))
			}
			synctest.Wait()
			list.reply(200, listOf(20, "", configMap("a", 1)))
		}, "undecided"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, audits)
				body := h.live()
				call := h.call("list by 500")
				synctest.Wait()
				test.then(h, call, body)
				h.wantAudits(test.result, 1, 0)
				if s := h.stream.Status(); len(s.Audits) != 1 || s.Snapshots["audit"] != 0 {
					t.Errorf("status: %+v", s)
				}
			})
		})
	}
}

// A list that is older than what the watch told before is of another history.
func TestAuditThatFindsAnOlderList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits)
		h.live()
		h.call("list by 500").reply(200, listOf(9, "", configMap("a", 1), configMap("b", 2)))
		h.call("streaming list").open().send(endMark("9"))
		h.wantAudits("clean", 1, 0)
		if s := h.wantState(member.Live); s.Snapshots["backwards"] != 1 {
			t.Errorf("status: %+v", s)
		}
	})
}

func TestNoAuditWhileNotLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits)
		body := h.call("streaming list").open()
		for range 100 {
			h.quiet(DefaultSyncTimeout / 200)
			body.send(mark("5"))
			if s := h.stream.Status(); len(s.Audits) != 0 {
				t.Fatalf("status: %+v", s)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) { // off
		h := start(t, audits, func(o *Options) { o.Config.AuditInterval = -1 })
		h.live()
		h.quiet(100 * time.Hour)
	})
}

// An audit that is asked for finds what differs, also where none is due by itself.
func TestAnAuditIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, audits, func(o *Options) { o.Config.AuditInterval = -1 })
		if a := h.stream.Audit(t.Context()); a.Result != "not_live" || a.Error == "" {
			t.Errorf("before it is live: %+v", a)
		}
		h.live()
		ask := func() Audited {
			synctest.Wait()
			asked := make(chan Audited, 1)
			go func() { asked <- h.stream.Audit(t.Context()) }()
			h.call("list by 500").reply(200, listOf(10, "", configMap("a", 1), configMap("b", 2)))
			return <-asked
		}
		if a := ask(); a.Result != "clean" || a.Differences != 0 || a.Error != "" || a.Resource != "configmaps" {
			t.Errorf("of a healthy stream: %+v", a)
		}
		h.wantAudits("clean", 1, 0)
		h.tamper("ghost", "uid-ghost", "1", false)
		if a := ask(); a.Result != "differences" || a.Differences != 1 {
			t.Errorf("of one that differs: %+v", a)
		}
	})
}

// Who asks for an audit may go before it ends, and so may the stream.
func TestAnAuditThatIsAskedForEnds(t *testing.T) {
	for name, end := range map[string]func(h *harness, gone func()){
		"who asked is gone":   func(_ *harness, gone func()) { gone() },
		"the stream has gone": func(h *harness, _ func()) { _ = h.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, audits, func(o *Options) { o.Config.AuditInterval = -1 })
				h.live()
				synctest.Wait()
				ctx, gone := context.WithCancel(t.Context())
				defer gone()
				asked := make(chan Audited, 1)
				go func() { asked <- h.stream.Audit(ctx) }()
				h.call("list by 500")
				end(h, gone)
				if a := <-asked; a.Result != "interrupted" || a.Error == "" {
					t.Errorf("%+v", a)
				}
			})
		})
	}
}

func TestRunEndsInAnAudit(t *testing.T) {
	for name, until := range map[string]func(h *harness){
		"in the list": func(h *harness) { h.call("list by 500") },
		"waiting for the watch": func(h *harness) {
			h.call("list by 500").reply(200, listOf(20, "", configMap("a", 15)))
		},
		"waiting for sinks": func(h *harness) {
			h.tamper("a", "uid-a", "15", false)
			h.cursor().Observe(ledger.Name{Namespace: "ns", Name: "a"}, ledger.Version{UID: "uid-a", ResourceVersion: "16"}, false, true, nil)
			h.call("list by 500").reply(200, listOf(10, "", configMap("a", 5)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, audits)
				h.live()
				until(h)
				synctest.Wait()
				began := time.Now()
				if err := h.stop(); err != nil || time.Since(began) != 0 {
					t.Errorf("Run = %v after %s, want nil at once", err, time.Since(began))
				}
			})
		})
	}
}
