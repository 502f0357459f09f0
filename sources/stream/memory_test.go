package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

var alphaWigs = [2]string{"alpha.io/v1", "wigconfigmaps wigconfigmap wg"}

// Somebody installs another resource of that name: what is followed stays
// followed, in the next session as in the next process, by a plural or a short
// name, with a ledger that notes what names mean or one from before.
func TestNameThatGetsAnotherMeaning(t *testing.T) {
	for _, name := range []string{"wigconfigmaps", "wigconfigmap", "wg"} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " old=", old), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := startWigs(t, func(o *Options) { o.Spec = Spec{Resource: name} })
					h.live()
					h.server.serve(alphaWigs, wigs)
					for _, restart := range []bool{false, true, true} {
						if restart {
							h.again()
						} else {
							h.conn.renew(t, "cluster-1")
						}
						if call := h.call("watch from 10"); call.URL.Path != "/apis/zeta.io/v1/wigconfigmaps" {
							t.Errorf("path is %s", call.URL.Path)
						}
						if old {
							h.cursor().Mean(ledger.Meaning{})
						}
					}
					if old {
						return // such a ledger does not tell what the next part needs
					}

					// Another cluster is another matter: there it is ambiguous.
					h.conn.renew(t, "cluster-2")
					h.deliver(h.next(2)...)
					s := h.wantState(member.Waiting)
					if s.Reason != "ambiguous" || !strings.Contains(s.LastError, "wigconfigmaps.alpha.io and wigconfigmaps.zeta.io") {
						t.Errorf("status: %+v", s)
					}
					if err := h.conn.lastReport(); err != nil {
						t.Errorf("reported %v: the server did answer", err)
					}
				})
			})
		}
	}
}

// What is followed is not served any more, and the name would mean another
// resource: that is not followed unasked, and the deletions are told.
func TestNameWhoseMeaningIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t)
		h.live()
		h.server.serve(alphaWigs)
		h.conn.renew(t, "cluster-1")
		s := h.wantHeld(2)
		for _, want := range []string{"wigconfigmaps.zeta.io", "wigconfigmaps.alpha.io", "write the one"} {
			if !strings.Contains(s.LastError, want) {
				t.Errorf("the error does not say %q: %+v", want, s)
			}
		}
		time.Sleep(2 * goneAfter)
		h.want(true, goneB, goneA)
		h.again()
		time.Sleep(time.Hour)
		if s := h.wantState(member.Waiting); !strings.Contains(s.LastError, "alpha.io") {
			t.Errorf("status: %+v", s)
		}
		h.want(true)
	})
}

// A group that comes to prefer another version, and one that drops a version:
// everything comes again in the new one.
func TestPreferredVersionMoves(t *testing.T) {
	v2 := [2]string{"zeta.io/v2", "wigconfigmaps wigconfigmap wg"}
	for name, test := range map[string]struct {
		serve [][2]string
		again bool // the watch is refused before that
	}{
		"both served":         {[][2]string{v2, wigs}, false},
		"the old one dropped": {[][2]string{v2}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startWigs(t)
				body := h.live()
				age()
				h.server.serve(test.serve...)
				ended := time.Now()
				body.end()
				call := h.call("streaming list")
				if past := time.Since(ended); past != 0 || call.URL.Path != "/apis/zeta.io/v2/wigconfigmaps" {
					t.Fatalf("after %s: %s", past, call.URL.Path)
				}
				body = call.open()
				body.send(event("ADDED", "a", 1), event("ADDED", "b", 2), endMark("20"))
				h.want(true, "updated a uid-a@1 snapshot", "updated b uid-b@2 snapshot")
				if v := h.stream.branches[0].origin.Resource.Version; v != "v2" {
					t.Errorf("delivered as %s", v)
				}
				age()
				body.end()
				h.call("watch from 20") // that was all
			})
		})
	}
}

// The watch is refused first, by a server that has not said what it prefers.
func TestVersionThatIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t)
		body := h.live()
		age()
		body.end()
		call := h.call("watch from 10")
		h.server.serve([2]string{"zeta.io/v2", "wigconfigmaps"})
		ended := time.Now()
		call.reply(404, status(404, "NotFound", ""))
		if call = h.call("streaming list"); call.URL.Path != "/apis/zeta.io/v2/wigconfigmaps" || time.Since(ended) != 0 {
			t.Errorf("after %s: %s", time.Since(ended), call.URL.Path)
		}
		// But not again and again.
		call.reply(404, status(404, "NotFound", ""))
		h.call("list by 500").reply(404, status(404, "NotFound", ""))
		h.wantState(member.Waiting)
		h.quiet(missingRetry)
	})
}

// A version that the operator has written stays.
func TestWrittenVersionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWigs(t, func(o *Options) { o.Spec.Version = "v1" })
		body := h.live()
		age()
		h.server.serve([2]string{"zeta.io/v2", "wigconfigmaps"}, wigs)
		body.end()
		h.call("watch from 10")
		h.again()
		h.call("watch from 10")
	})
}

// A broken aggregated API server concerns its own group only.
func TestBrokenGroup(t *testing.T) {
	for spec, want := range map[string]string{
		"wigconfigmaps.zeta.io": "live", "wg": "live", "cm": "live",
		"nosuch": "incomplete", "wigs.broken.io": "incomplete", "wigs.broken.io/v1": "incomplete", "nosuch.zeta.io": "missing",
	} {
		t.Run(spec, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := startWigs(t, func(o *Options) {
					o.Spec = mustParse(t, spec)
					server := o.Connection.(*fakeConnection).server
					server.serve(wigs, [2]string{"broken.io/v1", "wigs"})
					server.fail("/apis/broken.io/v1", 503, status(503, "ServiceUnavailable", "the server is currently unable to handle the request"))
				})
				if want == "live" {
					h.call("streaming list")
					return
				}
				s := h.wantState(member.Waiting)
				if s.Reason != want || want == "incomplete" && !strings.Contains(s.LastError, "broken.io/v1") {
					t.Errorf("status: %+v", s)
				}
				if err := h.conn.lastReport(); err != nil {
					t.Errorf("reported %v: the server did answer", err)
				}
				time.Sleep(10 * time.Minute)
				if n := h.stream.Status().Reconnects[want]; n < 10 || n > 21 {
					t.Errorf("asked %d times in ten minutes", n)
				}
			})
		})
	}
}

// Discovery's own error is found through what wraps it.
func TestWrappedDiscoveryError(t *testing.T) {
	c := &catalog{failed: map[schema.GroupVersion]error{{Group: "a", Version: "v1"}: errors.New("down")}}
	err := fmt.Errorf("watch: %w", c.missed(func(string) bool { return true }))
	if why, _ := classify(t.Context(), err); why != incomplete || !errors.Is(err, &discovery.ErrGroupDiscoveryFailed{}) || answered(err) != nil {
		t.Errorf("%v is %s", err, why)
	}
}
