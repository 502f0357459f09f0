package stream

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// serve has the server serve resources of groups, each named as
// group/version: name, singular and short name. A version that is preferred
// comes first.
func (s *fakeServer) serve(resources ...[2]string) {
	s.mu.Lock()
	maps.DeleteFunc(s.docs, func(path, _ string) bool { return strings.HasPrefix(path, "/apis/") })
	s.mu.Unlock()
	var order []string
	versions := map[string][]string{}
	for _, r := range resources {
		group, version, _ := strings.Cut(r[0], "/")
		if versions[group] == nil {
			order = append(order, group)
		}
		versions[group] = append(versions[group], version)
		names := strings.Fields(r[1] + " x x")
		s.set("/apis/"+r[0], fmt.Sprintf(`{"kind":"APIResourceList","groupVersion":%q,"resources":[{"name":%q,"singularName":%q,"shortNames":[%q],"kind":"Wig","namespaced":true,"verbs":["list","watch"]}]}`,
			r[0], names[0], names[1], names[2]))
	}
	var groups []string
	for _, group := range order {
		var list []string
		for _, version := range versions[group] {
			list = append(list, fmt.Sprintf(`{"groupVersion":"%s/%s","version":%q}`, group, version, version))
		}
		doc := fmt.Sprintf(`{"name":%q,"versions":[%s],"preferredVersion":%s}`, group, strings.Join(list, ","), list[0])
		s.set("/apis/"+group, doc)
		groups = append(groups, doc)
	}
	s.set("/apis", `{"kind":"APIGroupList","groups":[`+strings.Join(groups, ",")+`]}`)
}

var wigs = [2]string{"zeta.io/v1", "wigconfigmaps wigconfigmap wg"}

// startWigs starts a stream of custom resources.
func startWigs(t *testing.T, edit ...func(*Options)) *harness {
	t.Helper()
	return start(t, append([]func(*Options){func(o *Options) {
		o.Spec = Spec{Resource: "wigconfigmaps"}
		o.Connection.(*fakeConnection).server.serve(wigs)
	}}, edit...)...)
}

// again starts the stream in a new process.
func (h *harness) again() {
	h.t.Helper()
	if err := h.stop(); err != nil {
		h.t.Fatal(err)
	}
	h.ledger.Leave("c") // what a restart forgets
	h.run()
}

func (h *harness) wantHeld(n int) Status {
	h.t.Helper()
	s := h.wantState(member.Waiting)
	if s.Reason != fmt.Sprintf("resource gone, %d objects held", n) || s.Known != n || s.Resource != "wigconfigmaps.zeta.io" {
		h.t.Errorf("status: %+v", s)
	}
	h.want(true)
	return s
}

const goneA, goneB = "deleted a uid-a@10 snapshot tombstone nothing", "deleted b uid-b@10 snapshot tombstone nothing"

// A CRD is removed, with its objects, while nobody watches: by a process that
// was down, or a member that was cut off.
func TestResourceThatIsGone(t *testing.T) {
	for name, restart := range map[string]bool{"while cut off": false, "while down": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startWigs(t)
				body := h.live()
				age()
				h.server.serve()
				if restart {
					h.again()
				} else {
					body.end()
					h.call("watch from 10").reply(404, status(404, "NotFound", ""))
				}
				s := h.wantHeld(2)
				if !strings.Contains(s.LastError, "does not serve wigconfigmaps.zeta.io") {
					t.Errorf("status: %+v", s)
				}
				time.Sleep(goneAfter - time.Second)
				h.wantHeld(2)
				time.Sleep(2 * missingRetry) // three discoveries take 90 s at most
				gone := h.next(2)
				h.wantGone(gone, "cluster-1", goneA, goneB)
				if o := gone[0].Origin; o.Resource.String() != "zeta.io/v1, Resource=wigconfigmaps" || o.Kind != "Wig" || !o.Namespaced || gone[0].Key.Resource != "wigconfigmaps.zeta.io" {
					t.Errorf("origin is %+v, key %+v", o, gone[0].Key)
				}
				time.Sleep(time.Hour)
				h.want(true) // they are told once, however long sinks take
				h.deliver(gone...)
				time.Sleep(time.Hour)
				h.want(true)
				if s := h.wantState(member.Waiting); s.Reason != "missing" || s.Known != 0 || s.Tombstones != 2 {
					t.Errorf("status: %+v", s)
				}

				h.server.serve(wigs)
				body = h.call("streaming list").open()
				body.send(event("ADDED", "b@new", 30), endMark("31"))
				h.want(true, "added b new@30 snapshot")
				h.wantState(member.Live)
			})
		})
	}
}

// Sinks that have accepted some of it before the process ended hear of the rest.
func TestResourceThatIsGoneAndARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t)
		h.live()
		h.server.serve()
		h.again()
		time.Sleep(2 * goneAfter)
		gone := h.next(2)
		h.deliver(gone[0])
		h.again()
		h.wantHeld(1)
		time.Sleep(2 * goneAfter)
		h.want(true, "deleted b uid-b@10 snapshot tombstone nothing")
	})
}

// It is back before anyone has called it gone.
func TestResourceThatIsMissingForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t)
		h.live()
		for range 3 {
			h.server.serve()
			h.again()
			time.Sleep(goneAfter / 2)
			h.server.serve(wigs)
			body := h.call("watch from 10").open()
			h.wantState(member.Live)
			age()
			body.end()
		}
		h.want(true)
	})
}

// What is no answer of an API server that is well never speaks for it that a
// resource is gone, however long it goes on.
func TestNoEvidenceThatAResourceIsGone(t *testing.T) {
	const html = "<html>default backend</html>"
	everywhere := func(code int, body string) func(*harness) {
		return func(h *harness) {
			h.server.mu.Lock()
			defer h.server.mu.Unlock()
			h.server.fails = map[string]string{}
			for _, path := range []string{"/api", "/apis", "/api/v1", "/apis/zeta.io", "/apis/zeta.io/v1", "/api/v1/namespaces/kube-system"} {
				h.server.fails[path] = fmt.Sprint(code, body)
			}
		}
	}
	for name, test := range map[string]struct {
		lie    func(*harness)
		reason string
		state  member.State
	}{
		"403":                   {everywhere(403, status(403, "Forbidden", "not now")), "forbidden", member.Waiting},
		"403 of a gateway":      {everywhere(403, html), "", ""},
		"404":                   {everywhere(404, status(404, "NotFound", "")), "unavailable", member.BackingOff},
		"404 of a gateway":      {everywhere(404, html), "unavailable", member.BackingOff},
		"503":                   {everywhere(503, html), "unavailable", member.BackingOff},
		"200 of something else": {everywhere(200, "{}"), "", ""},
		"another cluster": {func(h *harness) {
			h.server.serve()
			h.server.set("/api/v1/namespaces/kube-system", `{"metadata":{"name":"kube-system","uid":"cluster-2"}}`)
		}, "resource gone, 2 objects held", member.Waiting},
		"a cluster that does not say who it is": {func(h *harness) {
			h.server.serve()
			h.server.fail("/api/v1/namespaces/kube-system", 403, status(403, "Forbidden", ""))
		}, "resource gone, 2 objects held", member.Waiting},
		"the resource is where it was": {func(h *harness) {
			h.server.serve()
			h.server.fail("/apis/zeta.io/v1/wigconfigmaps?limit=1", 200, `{"metadata":{},"items":[]}`)
		}, "resource gone, 2 objects held", member.Waiting},
		"nobody may look where it was": {func(h *harness) {
			h.server.serve()
			h.server.fail("/apis/zeta.io/v1/wigconfigmaps?limit=1", 403, status(403, "Forbidden", ""))
		}, "resource gone, 2 objects held", member.Waiting},
		"an aggregated API server that is down": {func(h *harness) {
			h.server.serve(wigs)
			h.server.fail("/apis/zeta.io/v1", 503, status(503, "ServiceUnavailable", ""))
		}, "incomplete", member.Waiting},
		"another version": {func(h *harness) {
			h.server.serve([2]string{"zeta.io/v2", "wigconfigmaps"})
		}, "resource gone, 2 objects held", member.Waiting},
		"no core group": {func(h *harness) {
			h.server.serve()
			h.server.unset("/api")
		}, "resource gone, 2 objects held", member.Waiting},
		"the same objects in another group": {func(h *harness) {
			h.server.serve([2]string{"a.io/v1", "wigconfigmaps"})
		}, "resource gone, 2 objects held", member.Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startWigs(t, func(o *Options) { o.Spec.Group, o.Spec.Version = "zeta.io", "v1" })
				h.live()
				if name == "the same objects in another group" {
					wig := h.stream.main.Load().target.resource.name()
					other := wig
					other.Group = "a.io"
					cohabiting[wig] = other
					defer delete(cohabiting, wig)
				}
				test.lie(h)
				h.again()
				time.Sleep(24 * time.Hour)
				h.want(true)
				s := h.stream.Status()
				if s.Reason != test.reason && test.reason != "" || s.State != test.state && test.state != "" {
					t.Errorf("status: %+v", s)
				}
			})
		})
	}
}

// Evidence is of one cluster and of one resource, and discoveries that tell
// nothing neither add to it nor take from it.
func TestEvidenceThatAResourceIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t)
		h.live()
		h.server.serve()
		h.again()
		time.Sleep(goneAfter - time.Second)
		for range 5 { // many at once are not worth more
			h.conn.renew(t, "cluster-1")
			synctest.Wait()
		}
		h.wantHeld(2)
		h.server.fail("/apis", 503, status(503, "ServiceUnavailable", ""))
		h.conn.renew(t, "cluster-1")
		time.Sleep(time.Hour)
		h.want(true)
		h.server.fail("", 0, "")
		time.Sleep(2 * time.Minute)
		h.want(true, goneB, goneA)
	})
}

// A cluster that hides its UID is known by its address, as everywhere else.
func TestResourceThatIsGoneFromAClusterWithoutUID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t, func(o *Options) {
			c := o.Connection.(*fakeConnection)
			c.session.UID, c.session.Digest = "digest-1", "digest-1"
			c.server.fail("/api/v1/namespaces/kube-system", 403, status(403, "Forbidden", ""))
		})
		h.live()
		h.server.serve()
		h.again()
		time.Sleep(2 * goneAfter)
		h.want(true, goneB, goneA)
	})
}

// Another cluster under the name, which does not have the resource: the old
// one's objects are gone, whatever the new one will serve.
func TestAnotherClusterWithoutTheResource(t *testing.T) {
	for name, spec := range map[string]string{"in full": "wigconfigmaps.zeta.io", "by a short name": "wg", "ambiguous": "wigconfigmaps"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startWigs(t, func(o *Options) { o.Spec, _ = ParseSpec(spec) })
				h.live()
				h.server.serve()
				reason := "missing"
				if name == "ambiguous" {
					h.server.serve([2]string{"a.io/v1", "wigconfigmaps"}, [2]string{"b.io/v1", "wigconfigmaps"})
					reason = "ambiguous"
				}
				h.conn.renew(t, "cluster-2")
				gone := h.next(2)
				h.wantGone(gone, "cluster-1", goneA, goneB)
				if gone[0].Origin.Kind != "Wig" {
					t.Errorf("origin is %+v", gone[0].Origin)
				}
				h.deliver(gone...)
				time.Sleep(24 * time.Hour)
				h.want(true)
				if s := h.wantState(member.Waiting); s.Reason != reason {
					t.Errorf("status: %+v", s)
				}
				if left := h.ledger.Recall("c", "cluster-2"); len(left) != 0 {
					t.Errorf("the ledger still has %+v", left)
				}
			})
		})
	}
}

// A ledger from a time when version and kind were not noted: what is gone since
// is held, and the operator told; what is served is noted, and told when it goes.
func TestResourceThatIsGoneFromAnOldLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t)
		h.live()
		h.cursor().Mean(ledger.Meaning{})
		h.server.serve()
		h.again()
		time.Sleep(24 * time.Hour)
		if s := h.wantHeld(2); !strings.Contains(s.LastError, "version and kind") {
			t.Errorf("status: %+v", s)
		}
		h.server.serve(wigs)
		h.call("watch from 10").open()
		h.server.serve()
		h.again()
		time.Sleep(2 * goneAfter)
		h.want(true, goneB, goneA)
	})
}
