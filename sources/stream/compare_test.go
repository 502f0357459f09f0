package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// compared lists while the server answers with pages.
func (h *harness) compared(c *Comparison, pages ...string) (all []string, at string, err error) {
	h.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		at, err = c.List(h.t.Context(), func(o *ListedObject) error {
			text := fmt.Sprintf("%s/%s %s@%s", o.Namespace, o.Name, o.UID, o.ResourceVersion)
			if o.Unselected {
				text += " unselected"
			}
			if o.Undecided {
				text += " undecided"
			}
			if o.Digest != 0 {
				text += " digest"
			}
			all = append(all, text)
			return nil
		})
	}()
	call := "list by 500"
	for _, page := range pages {
		h.call(call).reply(200, page)
		call = "list at more by 500"
	}
	<-done
	return all, at, err
}

func TestCompare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		// The stream may have begun by now, or not yet.
		if _, err := h.stream.Compare("a"); err != nil && !strings.Contains(err.Error(), "not been reached") && !strings.Contains(err.Error(), "not connected") {
			t.Errorf("before it has begun: %v", err)
		}
		h.live()
		if _, err := h.stream.Compare("none"); err == nil {
			t.Error("there is no such route")
		}
		c, err := h.stream.Compare("a")
		if err != nil {
			t.Fatal(err)
		}
		first := strings.Replace(looked(configMap("a", 1)), `"resourceVersion":"99"`, `"resourceVersion":"99","continue":"more"`, 1)
		all, at, err := h.compared(c, first, looked(configMap("z", 12)))
		if want := "[ns/a uid-a@1 ns/z uid-z@12]"; fmt.Sprint(all) != want || at != "99" || err != nil {
			t.Errorf("%v at %s, %v; want %s", all, at, err, want)
		}
		if s := c.Standing("ns", "a", &ListedObject{UID: "uid-a", ResourceVersion: "1"}, at); s != (ComparedStanding{AckedUID: "uid-a", AckedVersion: "1", Known: true, Settled: true, Reached: true}) {
			t.Errorf("%+v", s)
		}
		if s := c.Standing("ns", "z", &ListedObject{UID: "uid-z", ResourceVersion: "12"}, at); s != (ComparedStanding{Settled: true}) {
			t.Errorf("what the watch has not told of: %+v", s)
		}
		known := 0
		c.Known(func(string, string) bool { known++; return true })
		if known != 2 {
			t.Errorf("%d are known", known)
		}
		if _, _, err := h.compared(c, `{"items":[1]}`); err == nil {
			t.Error("that is no list")
		}
		// The server hangs: the list ends all the same, in the bubble's time.
		ended := make(chan error, 1)
		go func() {
			_, err := c.List(t.Context(), func(*ListedObject) error { return nil })
			ended <- err
		}()
		h.call("list by 500")
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "configmaps") {
			t.Errorf("a server that hangs: %v", err)
		}
	})
}

func TestCompareWithRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) {
			o.Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: object.metadata.name != 'a'"}, Changed: []string{"configmaps: data"}})
		})
		h.call("streaming list").open().send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("10"))
		h.want(true, "added b uid-b@2 snapshot")
		c, err := h.stream.Compare("a")
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := h.compared(c, looked(configMap("a", 1), configMap("b", 2)))
		if want := "[ns/a uid-a@1 unselected ns/b uid-b@2 digest]"; fmt.Sprint(all) != want || err != nil {
			t.Errorf("%v, %v; want %s", all, err, want)
		}
	})
}

// A repair delivers what it names, and no more; what the ledger does not know is buried.
func TestRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		c, err := h.stream.Compare("a")
		if err != nil {
			t.Fatal(err)
		}
		for _, odd := range []struct{ name, uid, version string }{{"x", "uid-x", "odd"}, {"x", "", "3"}, {"x/y", "uid-x", "3"}, {"x", "u\n", "3"}, {"x", "uid-x", "0"}} {
			if err := c.Bury(t.Context(), ObjectName{"ns", odd.name}, odd.uid, odd.version); !errors.Is(err, errOddState) {
				t.Errorf("%+v: %v", odd, err)
			}
		}
		if err := c.Bury(t.Context(), ObjectName{Name: "x"}, "uid-x", "3"); !errors.Is(err, errOddState) {
			t.Errorf("without a namespace: %v", err)
		}
		if err := c.Bury(t.Context(), ObjectName{"ns", "x"}, "uid-x", "11"); !errors.Is(err, errAhead) {
			t.Errorf("of a later version: %v", err)
		}
		if err := c.Bury(t.Context(), ObjectName{"ns", "a"}, "uid-a", "1"); !errors.Is(err, ErrSuperseded) {
			t.Errorf("of what exists: %v", err)
		}
		if err := c.Bury(t.Context(), ObjectName{"ns", "x"}, "uid-x", "3"); err != nil {
			t.Fatal(err)
		}
		h.want(true, "deleted x uid-x@3 snapshot tombstone nothing")
		if waits, err := c.Repair([]ObjectName{{"ns", "b"}}); waits != "" || err != nil {
			t.Errorf("it waits: %s, %v", waits, err)
		}
		body := h.call("streaming list").open()
		body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
		h.want(true, "updated b uid-b@2 snapshot")
	})
}

// A row that a sink has kept although it has accepted a later deletion goes with a tombstone that
// has the deletion's version.
func TestBuryOlderThanADeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		body := h.live()
		body.send(event("MODIFIED", "b", 11), event("DELETED", "a", 15))
		synctest.Wait()
		held, gone := <-h.queue.changes, <-h.queue.changes // b keeps the resume point where it is
		begin(gone)
		gone.Origin.Tracker.Ack(gone)
		begin(held)
		c, err := h.stream.Compare("a")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Bury(t.Context(), ObjectName{"ns", "a"}, "uid-a", "1"); err != nil {
			t.Fatalf("a row of an older version: %v", err)
		}
		h.want(true, "deleted a uid-a@15 snapshot tombstone nothing")
		held.Origin.Tracker.Ack(held)
	})
}

// Once another cluster has the name, a comparison of the one before tells and repairs nothing.
func TestCompareAReplacedCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		c, err := h.stream.Compare("a")
		if err != nil {
			t.Fatal(err)
		}
		h.conn.renew(t, "cluster-2")
		h.deliver(h.next(2)...) // the deletions of the former cluster
		if s := c.Standing("ns", "a", nil, "10"); s != (ComparedStanding{Pending: true}) {
			t.Errorf("%+v", s)
		}
		if _, err := c.Repair([]ObjectName{{"ns", "a"}}); !errors.Is(err, errReplaced) {
			t.Errorf("repair: %v", err)
		}
		if err := c.Bury(t.Context(), ObjectName{"ns", "x"}, "uid-x", "3"); !errors.Is(err, errReplaced) {
			t.Errorf("bury: %v", err)
		}
		h.call("streaming list").open().send(endMark("1"))
		h.wantState(member.Live)
		if _, err := c.List(t.Context(), func(*ListedObject) error { return nil }); err == nil || !strings.Contains(err.Error(), "another cluster has its name") {
			t.Errorf("list: %v", err)
		}
	})
}

// At the moment at which another cluster takes the place of one, before its connection knows,
// nothing is told of what was listed.
func TestCompareWhileAClusterIsReplaced(t *testing.T) {
	const path = "/api/v1/namespaces/kube-system"
	other := func(h *harness) { h.server.set(path, `{"metadata":{"name":"kube-system","uid":"cluster-2"}}`) }
	for name, test := range map[string]struct {
		before, after func(*harness) // the list
		says          string         // empty: it is told of
	}{
		"before the list":    {other, nil, "another cluster answers"},
		"after the list":     {nil, other, "another cluster answers"},
		"by nothing":         {nil, nil, ""},
		"it hides":           {func(h *harness) { h.server.fail(path, 403, status(403, "Forbidden", "not yours")) }, nil, ""},
		"it cannot be asked": {nil, func(h *harness) { h.server.fail(path, 500, status(500, "InternalError", "")) }, "read namespace kube-system"},
		"by something else":  {nil, func(h *harness) { h.server.set(path, "{}") }, "another cluster answers"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.live()
				c, err := h.stream.Compare("a")
				if err != nil {
					t.Fatal(err)
				}
				if test.before != nil {
					test.before(h)
				}
				ended := make(chan error, 1)
				go func() {
					_, err := c.List(t.Context(), func(*ListedObject) error { return nil })
					ended <- err
				}()
				if test.before == nil || test.says == "" {
					call := h.call("list by 500")
					if test.after != nil {
						test.after(h)
					}
					call.reply(200, looked(configMap("a", 1)))
				}
				if err := <-ended; (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v, want %q", err, test.says)
				}
			})
		})
	}
}

// Who compares may go at any time.
func TestCompareEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		c, err := h.stream.Compare("a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := c.List(ctx, func(*ListedObject) error { return nil })
			ended <- err
		}()
		h.call("list by 500")
		cancel()
		if err := <-ended; err == nil {
			t.Error("it has not ended")
		}
	})
}
