package sources

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// follow follows ConfigMaps and widgets of a hostile member.
func (h *harness) follow(liar *testenv.Hostile) {
	h.sources.Set(fleet.Member{Name: liar.Name(), REST: liar.Config()})
}

// stream returns where the stream of a resource stands, or nothing yet.
func (h *harness) stream(resource string) stream.Status {
	for _, m := range h.sources.Status() {
		for _, s := range m.Streams {
			if s.Stream == resource {
				return s
			}
		}
	}
	return stream.Status{}
}

// TestThrottledDiscovery: the stream says that it is asked to wait, and until
// when.
func TestThrottledDiscovery(t *testing.T) {
	liar := testenv.StartHostile(t, "liar")
	liar.Lie(testenv.Discovery, testenv.Throttle(1e9))
	h := start(t, "configmaps", "widgets")
	h.follow(liar)
	for _, resource := range []string{"configmaps", "widgets"} {
		h.await(resource+" is throttled", func() bool { return h.stream(resource).State == states.BackingOff })
		s := h.stream(resource)
		if s.Reason != "throttled" || !strings.Contains(s.LastError, "ask again later") || time.Until(s.NextRetry) < time.Minute {
			t.Errorf("%+v", s)
		}
	}
}

// TestDefaultBackend: what stands in front of an API server does not say that a
// resource is gone, nor that a member is well.
func TestDefaultBackend(t *testing.T) {
	for code, lies := range map[int]testenv.Lie{404: testenv.HTML(404), 403: testenv.HTML(403), 200: testenv.HTML(200), 410: testenv.HTML(410)} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			liar := testenv.StartHostile(t, "liar")
			liar.Put("configmaps", "default", "a", nil)
			h := start(t, "configmaps", "widgets.hostile.example")
			h.follow(liar)
			h.await("all is well", func() bool {
				return h.stream("configmaps").State == states.Live && h.stream("widgets.hostile.example").State == states.Live
			})
			h.await("the object", func() bool { return len(h.queue.told()) > 0 })
			// First in the place of the resources only, so that the member itself is
			// well, and then of everything.
			resources := func(r *http.Request) bool {
				return testenv.Lists(r) || testenv.Watches(r) || testenv.StreamingLists(r) || testenv.Objects(r)
			}
			for _, about := range []testenv.About{resources, testenv.Everything} {
				liar.Lie(about, lies)
				liar.Drop()
				before := h.stream("configmaps").Attempt
				h.await("it backs off", func() bool {
					s := h.stream("configmaps")
					return s.State == states.BackingOff && s.Attempt != before || h.sources.Status()[0].Connection.State == states.BackingOff
				})
				if s := h.stream("configmaps"); s.Reason == "missing" || s.Reason == "expired" || s.Reason == "forbidden" || s.State == states.Live {
					t.Errorf("%+v", s)
				}
			}
			h.await("the member backs off", func() bool { return h.sources.Status()[0].Connection.State == states.BackingOff })
			if c := h.sources.Status()[0].Connection; c.Reason != "unavailable" || !strings.Contains(c.LastError, "in front of it") {
				t.Errorf("%+v", c)
			}
			if s := h.stream("configmaps"); s.Reconnects["missing"]+s.Reconnects["expired"]+s.Reconnects["forbidden"] > 0 {
				t.Errorf("%+v", s)
			}
			liar.Honest()
			h.await("all is well again", func() bool { return h.stream("configmaps").State == states.Live })
			if told := h.queue.told(); len(told) > 0 {
				t.Errorf("told: %q", told)
			}
		})
	}
}

// TestEchoedTokenIsNotShown: neither by the status of the member nor of its
// streams, in whatever a member says it.
func TestEchoedTokenIsNotShown(t *testing.T) {
	liar := testenv.StartHostile(t, "liar")
	liar.Lie(testenv.Version, testenv.Echo(200))
	liar.Lie(testenv.Discovery, testenv.Echo(500))
	h := start(t, "configmaps", "widgets")
	h.follow(liar)
	looks := func(what string, there func() bool) {
		t.Helper()
		h.await(what, there)
		shown, err := json.Marshal(h.sources.Status())
		if err != nil {
			t.Fatal(err)
		}
		token := liar.Token()
		for _, disguise := range []string{token, strings.ToUpper(token), base64.RawStdEncoding.EncodeToString([]byte(token))[:24]} {
			if strings.Contains(string(shown), disguise) {
				t.Errorf("%s: %s is shown: %s", what, disguise, shown)
			}
		}
	}
	looks("discovery", func() bool { return strings.Contains(h.stream("widgets").LastError, "you sent") })
	liar.Honest()
	liar.Lie(func(r *http.Request) bool { return testenv.Lists(r) || testenv.StreamingLists(r) }, testenv.Echo(403))
	looks("lists", func() bool { return h.stream("configmaps").Reason == "forbidden" })
	liar.Lie(testenv.Everything, testenv.Echo(503))
	looks("everything", func() bool { return h.sources.Status()[0].Connection.State == states.BackingOff })
}
