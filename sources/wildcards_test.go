package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// growing is a fake API server whose resources come and go. Each has one object.
type growing struct {
	uid string

	mu     sync.Mutex
	groups map[string][]string // resources by group, all of version v1; "status" behind a name: verbs are missing
	broken map[string]bool     // groups of which discovery tells nothing
	closed map[string]bool     // resources that are forbidden
	ends   map[string]func()   // of the watches
	asks   map[string]int      // requests by path
	down   bool                // it answers nothing
	next   func()              // called once by the next probe
}

func newGrowing(resources ...string) *growing {
	g := &growing{uid: "a", groups: map[string][]string{"": nil}, broken: map[string]bool{}, closed: map[string]bool{}, ends: map[string]func(){}, asks: map[string]int{}}
	for _, r := range resources {
		g.install(r)
	}
	return g
}

func (g *growing) member(name string) fleet.Member {
	return fleet.Member{Name: name, Source: "test", REST: &rest.Config{Host: "http://" + g.uid, Transport: g}}
}

func (g *growing) install(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	resource, group, _ := strings.Cut(name, ".")
	g.groups[group] = append(g.groups[group], resource)
}

// uninstall has a resource go, and with told what watches of it tell of that.
func (g *growing) uninstall(name string, told bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	resource, group, _ := strings.Cut(name, ".")
	g.groups[group] = slices.DeleteFunc(g.groups[group], func(r string) bool { return r == resource })
	if end := g.ends[name]; end != nil && told {
		end()
	}
}

func (g *growing) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// asked returns how often a path was asked for since the last call.
func (g *growing) asked(path string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.asks[path]
	delete(g.asks, path)
	return n
}

func (g *growing) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/apis/") && strings.Count(r.URL.Path, "/") == 3 {
		time.Sleep(10 * time.Millisecond) // discovery takes its time
	}
	g.mu.Lock()
	next := g.next
	if r.URL.Path != "/api/v1/namespaces/kube-system" {
		next = nil
	} else {
		g.next = nil
	}
	g.mu.Unlock()
	if next != nil {
		next()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return nil, errors.New("connection refused")
	}
	g.asks[r.URL.Path]++
	answer := func(code int, body io.Reader) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), Request: r}, nil
	}
	status := func(code int, reason string) (*http.Response, error) {
		return answer(code, strings.NewReader(fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)))
	}
	switch r.URL.Path {
	case "/api/v1/namespaces/kube-system":
		return answer(200, strings.NewReader(`{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"kube-system","uid":"`+g.uid+`"}}`))
	case "/version":
		return answer(200, strings.NewReader(`{"major":"1","minor":"36","gitVersion":"v1.36.3"}`))
	case "/api":
		return answer(200, strings.NewReader(`{"kind":"APIVersions","versions":["v1"]}`))
	case "/apis":
		var groups []string
		for _, name := range slices.Sorted(maps.Keys(g.groups)) {
			if name != "" && len(g.groups[name]) > 0 {
				groups = append(groups, fmt.Sprintf(`{"name":%q,"versions":[{"groupVersion":"%[1]s/v1","version":"v1"}],"preferredVersion":{"groupVersion":"%[1]s/v1","version":"v1"}}`, name))
			}
		}
		return answer(200, strings.NewReader(`{"kind":"APIGroupList","groups":[`+strings.Join(groups, ",")+`]}`))
	}
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/"), "/")
	group := parts[0]
	if parts[0] == "api" {
		group = ""
	}
	if len(parts) < 2 {
		return answer(200, strings.NewReader(fmt.Sprintf(`{"kind":"APIGroup","name":%q,"preferredVersion":{"groupVersion":"%[1]s/v1","version":"v1"}}`, group)))
	}
	rest := parts[2:]
	if len(rest) == 3 && rest[0] == "namespaces" {
		rest = rest[2:]
	}
	switch {
	case len(g.groups[group]) == 0 && group != "":
	case len(rest) == 0 && g.broken[group]:
		return status(503, "ServiceUnavailable")
	case len(rest) == 0:
		var list []string
		for _, resource := range g.groups[group] {
			verbs := `["get","list","watch"]`
			if strings.HasSuffix(resource, "reviews") {
				verbs = `["create"]`
			}
			list = append(list, fmt.Sprintf(`{"name":%q,"singularName":%q,"namespaced":%t,"kind":%q,"verbs":%s},{"name":"%[1]s/status","namespaced":true,"kind":%[4]q,"verbs":["get","list","watch"]}`,
				resource, strings.TrimSuffix(resource, "s"), resource != "nodes", kindOf(resource), verbs))
		}
		gv := strings.TrimPrefix(group+"/v1", "/")
		return answer(200, strings.NewReader(fmt.Sprintf(`{"kind":"APIResourceList","groupVersion":%q,"resources":[%s]}`, gv, strings.Join(list, ","))))
	case slices.Contains(g.groups[group], rest[0]):
		name := strings.TrimSuffix(rest[0]+"."+group, ".")
		if g.closed[name] {
			return status(403, "Forbidden")
		}
		if r.URL.Query().Get("watch") == "" {
			return answer(200, strings.NewReader(fmt.Sprintf(`{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"10"},"items":[]}`, kindOf(rest[0]), strings.TrimPrefix(group+"/v1", "/"))))
		}
		return answer(200, g.watchLocked(r, name, rest[0], strings.TrimPrefix(group+"/v1", "/")))
	}
	return status(404, "NotFound")
}

func kindOf(resource string) string {
	return strings.ToUpper(resource[:1]) + strings.TrimSuffix(resource[1:], "s")
}

func (g *growing) watchLocked(r *http.Request, name, resource, groupVersion string) io.Reader {
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
	object := fmt.Sprintf(`{"kind":%q,"apiVersion":%q,"metadata":{"name":"one","namespace":"ns","uid":"of-%s","resourceVersion":"%%s"}}`, kindOf(resource), groupVersion, name)
	if resource == "nodes" {
		object = strings.Replace(object, `"namespace":"ns",`, "", 1)
	}
	if strings.Contains(r.URL.Path, "/namespaces/a/") {
		object = strings.Replace(object, `"ns"`, `"a"`, 1)
	}
	ended := make(chan struct{})
	g.ends[name] = sync.OnceFunc(func() { close(ended) })
	go func() {
		if r.URL.Query().Get("sendInitialEvents") != "" {
			_, _ = fmt.Fprintf(w, `{"type":"ADDED","object":`+object+`}`+"\n", "5")
			_, _ = fmt.Fprintf(w, `{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"10","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n", kindOf(resource), groupVersion)
		}
		select {
		case <-ended:
			_, _ = fmt.Fprintf(w, `{"type":"DELETED","object":`+object+`}`+"\n", "12")
			_ = w.Close()
		case <-r.Context().Done():
		}
	}()
	return body
}

// streamsOf returns the streams of the only member with their states.
func (h *harness) streamsOf() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	for _, m := range h.sources.Status() {
		for _, st := range m.Streams {
			if all[st.Stream] = string(st.State); st.State == states.Waiting {
				all[st.Stream] += " " + st.Reason
			}
		}
	}
	return all
}

func (h *harness) wantStreams(what string, live ...string) {
	h.t.Helper()
	want := map[string]string{}
	for _, s := range live {
		name, state, ok := strings.Cut(s, " ")
		if !ok {
			state = "live"
		}
		want[name] = state
	}
	if diff := cmp.Diff(want, h.streamsOf()); diff != "" {
		h.t.Errorf("%s: streams (-want +got):\n%s", what, diff)
	}
}

// What "*" stands for comes and goes while the member is followed.
func TestWildcardFollowsDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t)
		h := startOn(t, l, "*", "configmap")
		g := newGrowing("configmaps", "pods", "nodes", "endpoints", "bindingreviews", "events", "events.events.k8s.io", "deployments.apps", "leases.coordination.k8s.io")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.wantStreams("at first", "configmap", "pods", "nodes", "deployments.apps")
		survey := h.sources.Status()[0].Survey
		var left []string
		for _, x := range survey.LeftOut {
			left = append(left, x.Resource)
		}
		if diff := cmp.Diff([]string{"bindingreviews", "endpoints", "events", "events.events.k8s.io", "leases.coordination.k8s.io"}, left); diff != "" {
			t.Errorf("left out (-want +got):\n%s", diff)
		}
		if survey.State != states.Live || survey.Streams != 3 || survey.LeftOutCount != 5 {
			t.Errorf("survey is %+v", survey)
		}

		g.install("gizmos.example.com")
		time.Sleep(40 * time.Second)
		h.wantStreams("with another resource", "configmap", "pods", "nodes", "deployments.apps", "gizmos.example.com")
		if told := h.queue.told(); !slices.Contains(told, "added one of-gizmos.example.com of a") {
			t.Errorf("told %v", told)
		}
		for _, st := range h.sources.Status()[0].Streams {
			if want := map[bool]string{true: "*"}[st.Stream != "configmap"]; st.Wildcard != want {
				t.Errorf("%s is of wildcard %q, want %q", st.Stream, st.Wildcard, want)
			}
		}

		g.uninstall("gizmos.example.com", true)
		time.Sleep(3 * time.Minute)
		h.wantStreams("without it", "configmap", "pods", "nodes", "deployments.apps")
		if diff := cmp.Diff([]string{"deleted one of-gizmos.example.com of a"}, h.queue.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}

		g.install("gizmos.example.com")
		time.Sleep(70 * time.Second)
		h.wantStreams("once it is back", "configmap", "pods", "nodes", "deployments.apps", "gizmos.example.com")
	})
}

// That discovery fails in part ends no stream, and is no deletion.
func TestWildcardWithBrokenDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t)
		h := startOn(t, l, "*")
		g := newGrowing("configmaps", "gizmos.example.com", "deployments.apps")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.queue.told()
		g.set(func() { g.broken["example.com"] = true })
		time.Sleep(10 * time.Minute)
		h.wantStreams("while a group cannot be read", "configmaps", "gizmos.example.com", "deployments.apps")
		if s := h.sources.Status()[0].Survey; s.State != states.Live || s.Reason != "incomplete" || !strings.Contains(s.LastError, "example.com") {
			t.Errorf("survey is %+v", s)
		}
		h.stop()
		l.Leave("m")
		h = startOn(t, l, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(10 * time.Minute)
		h.wantStreams("after a restart", "configmaps", "gizmos.example.com waiting incomplete", "deployments.apps")
		if told := h.queue.told(); len(told) != 0 {
			t.Errorf("told %v", told)
		}
		g.set(func() { g.broken["example.com"] = false })
		time.Sleep(2 * time.Minute)
		h.wantStreams("once it can be read", "configmaps", "gizmos.example.com", "deployments.apps")
		if told := h.queue.told(); len(told) != 0 {
			t.Errorf("told %v", told)
		}
	})
}

// A resource that went while nobody looked has its deletions told, and its stream ends.
func TestWildcardOfWhatWentMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t)
		g := newGrowing("configmaps", "gizmos.example.com", "deployments.apps")
		h := startOn(t, l, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.stop()
		l.Leave("m")
		g.uninstall("gizmos.example.com", false)
		h = startOn(t, l, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.wantStreams("soon", "configmaps", "deployments.apps", "gizmos.example.com waiting resource gone, 1 objects held")
		time.Sleep(5 * time.Minute)
		h.wantStreams("in the end", "configmaps", "deployments.apps")
		if diff := cmp.Diff([]string{"deleted one of-gizmos.example.com of a"}, h.queue.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// Another cluster under the name does not have what the one before had.
func TestWildcardOfAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t)
		h := startOn(t, l, "*")
		g := newGrowing("configmaps", "gizmos.example.com")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.queue.told()
		other := newGrowing("configmaps", "deployments.apps")
		other.uid = "b"
		h.sources.Set(other.member("m"))
		time.Sleep(5 * time.Minute)
		h.wantStreams("of the other", "configmaps", "deployments.apps")
		told := h.queue.told()
		slices.Sort(told)
		if diff := cmp.Diff([]string{
			"added one of-configmaps of b", "added one of-deployments.apps of b",
			"deleted one of-configmaps of a", "deleted one of-gizmos.example.com of a",
		}, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// What is excluded and was followed before is taken leave of after the retention, not
// before; what "*" may stand for is not, while the cluster cannot be reached.
func TestExcludedIsTakenLeaveOf(t *testing.T) {
	const gone = "deleted one of-gizmos.example.com of a"
	for name, test := range map[string]struct {
		excluded string
		watch    string
		down     bool
		want     bool
	}{
		"excluded":                   {"gizmos", "*", false, true},
		"excluded, not reached":      {"*.example.com", "*", true, true},
		"not excluded":               {"", "*", false, false},
		"not excluded, not reached":  {"", "*", true, false},
		"another group":              {"", "*.apps", false, true},
		"another group, not reached": {"", "*.apps", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := ledgerOf(t)
				g := newGrowing("configmaps", "gizmos.example.com", "deployments.apps")
				h := startOn(t, l, "*")
				h.sources.Set(g.member("m"))
				time.Sleep(time.Second)
				h.stop()
				l.Leave("m")
				if test.down {
					g.uid = "?"
				}
				var excluded []Spec
				if test.excluded != "" {
					var err error
					if excluded, err = ParseExclusions(test.excluded); err != nil {
						t.Fatal(err)
					}
				}
				h = startWith(t, l, []string{"a"}, func(o *Options) { o.Excluded = excluded }, test.watch)
				m := g.member("m")
				if test.down {
					m = (&server{down: true}).member("m")
				}
				h.sources.Set(m)
				time.Sleep(2*time.Minute + 50*time.Second)
				if told := h.queue.told(); slices.Contains(told, gone) {
					t.Errorf("told before its time: %v", told)
				}
				time.Sleep(5 * time.Minute)
				if told := h.queue.told(); slices.Contains(told, gone) != test.want {
					t.Errorf("told %v", told)
				}
			})
		})
	}
}

// A member may have so many streams: those that it has keep their places.
func TestMaxStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := ledger.Open(t.Context(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := newGrowing("pods", "b.example.com", "c.example.com")
		limit := func(o *Options) { o.Config.MaxStreams = 3 }
		h := startWith(t, l, []string{"a"}, limit, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		g.install("configmaps")
		g.install("a.example.com")
		time.Sleep(5 * time.Minute)
		h.wantStreams("those of before", "pods", "b.example.com", "c.example.com")
		s := h.sources.Status()[0].Survey
		if s.LeftOutCount != 2 || s.LeftOut[0].Resource != "a.example.com" || !strings.Contains(s.LeftOut[0].Reason, "--max-streams") {
			t.Errorf("left out are %v", s.LeftOut)
		}
		h.stop()
		l.Leave("m")
		h = startWith(t, l, []string{"a"}, limit, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(5 * time.Minute)
		h.wantStreams("after a restart", "pods", "b.example.com", "c.example.com")
		g.uninstall("b.example.com", true)
		time.Sleep(5 * time.Minute)
		h.wantStreams("a place is free", "pods", "configmaps", "c.example.com")

		// Names without end fill no ledger.
		for i := range 20 {
			name := fmt.Sprintf("n%d.example.com", i)
			g.install(name)
			g.uninstall("configmaps", true)
			time.Sleep(5 * time.Minute)
			g.uninstall(name, true)
			time.Sleep(5 * time.Minute)
		}
		if n := len(l.Recall("m", "a")); n > 2*3 {
			t.Errorf("the ledger remembers %d resources", n)
		}
	})
}

// A bound is no deletion: what there is no place for is there.
func TestMaxStreamsIsLowered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t)
		g := newGrowing("pods", "b.example.com", "c.example.com", "deployments.apps")
		var h *harness
		for _, most := range []int{0, 1, 2, 0} {
			if h != nil {
				h.stop()
				l.Leave("m")
			}
			h = startWith(t, l, []string{"a"}, func(o *Options) { o.Config.MaxStreams = most }, "*")
			h.sources.Set(g.member("m"))
			time.Sleep(time.Second)
			if told := h.queue.told(); most == 0 && len(told) > 4 || most > 0 && len(told) > 0 {
				t.Errorf("with %d streams: told %v", most, told)
			}
			time.Sleep(10 * time.Minute) // the retention is over
			if told := h.queue.told(); len(told) > 0 {
				t.Errorf("later, with %d streams: told %v", most, told)
			}
			if n := len(h.streamsOf()); most > 0 && n != most {
				t.Errorf("%d streams, want %d", n, most)
			}
		}
		h.wantStreams("in the end", "pods", "b.example.com", "c.example.com", "deployments.apps")
	})
}

// Nor is another connection: what wildcards stand for is not known then.
func TestWildcardOfAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledgerOf(t)
		g := newGrowing("configmaps", "gizmos.example.com")
		h := startOn(t, l, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.stop()
		l.Leave("m")
		g.set(func() { g.broken["example.com"] = true })
		h = startOn(t, l, "*")
		h.sources.Set(g.member("m"))
		time.Sleep(time.Second)
		h.wantStreams("a group is unread", "configmaps", "gizmos.example.com waiting incomplete")
		g.set(func() {
			g.next = func() {
				g.set(func() { g.down = true })
				panic("on purpose")
			}
		})
		time.Sleep(10 * time.Minute) // the retention is over
		h.wantStreams("another connection, which has not answered")
		if told := h.queue.told(); len(told) > 0 {
			t.Errorf("told %v", told)
		}
		if _, err := h.sources.Replay(t.Context(), "m", "*"); !errors.Is(err, ErrNotSurveyed) {
			t.Errorf("Replay: %v", err)
		}
		g.set(func() { g.down, g.broken = false, map[string]bool{} })
		time.Sleep(time.Minute)
		h.wantStreams("once it answers", "configmaps", "gizmos.example.com")
		if told := h.queue.told(); len(told) > 0 {
			t.Errorf("told %v", told)
		}
	})
}

// Before a member has told what wildcards stand for, nothing of them is left out of a
// replay without a word.
func TestReplayBeforeTheSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, specs := range [][]string{{"*"}, {"*", "configmaps"}} {
			h := start(t, specs...)
			g := newGrowing("configmaps", "pods")
			g.down = true
			h.sources.Set(g.member("m"))
			pass()
			for _, resource := range []string{"", "*", "pods"} {
				if r, err := h.sources.Replay(t.Context(), "m", resource); !errors.Is(err, ErrNotSurveyed) || errors.Is(err, ErrUnknownResource) || r.Streams > 0 {
					t.Errorf("%v: Replay(%q) = %+v, %v", specs, resource, r, err)
				}
			}
			if r, err := h.sources.Replay(t.Context(), "m", "configmaps"); len(specs) == 2 && (err != nil || r.Streams != 1) {
				t.Errorf("Replay of what is named = %+v, %v", r, err)
			}
			g.set(func() { g.down = false })
			time.Sleep(time.Minute)
			if r, err := h.sources.Replay(t.Context(), "m", ""); err != nil || r.Streams != 2 {
				t.Errorf("%v: Replay = %+v, %v", specs, r, err)
			}
			if _, err := h.sources.Replay(t.Context(), "m", "gizmos"); !errors.Is(err, ErrUnknownResource) {
				t.Errorf("%v: Replay of what there is not: %v", specs, err)
			}
			h.stop()
		}
	})
}

// Who names a resource goes before a group's wildcard, and that before "*"; each
// namespace has streams of its own.
func TestWildcardPrecedence(t *testing.T) {
	for name, test := range map[string]struct {
		specs []string
		want  []string
	}{
		"a resource": {[]string{"*", "gizmo?namespace=ns"}, []string{"pods", "nodes", "deployments.apps", "gizmo?namespace=ns"}},
		"a group": {[]string{"*?mode=metadata", "*.apps"}, []string{"pods?mode=metadata", "nodes?mode=metadata",
			"gizmos.example.com?mode=metadata", "deployments.apps"}},
		"namespaces": {[]string{"*?namespace=a", "*?namespace=ns"}, []string{"pods?namespace=a", "pods?namespace=ns",
			"gizmos.example.com?namespace=a", "gizmos.example.com?namespace=ns", "deployments.apps?namespace=a", "deployments.apps?namespace=ns"}},
		"what is noise, by its group": {[]string{"*.events.k8s.io", "*.coordination.k8s.io"}, []string{"events.events.k8s.io", "leases.coordination.k8s.io"}},
		"what is noise, beside all": {[]string{"*", "*.events.k8s.io", "*.coordination.k8s.io?mode=metadata"}, []string{"pods", "nodes", "gizmos.example.com",
			"deployments.apps", "events.events.k8s.io", "leases.coordination.k8s.io?mode=metadata"}},
		"what is served twice, by name": {[]string{"events", "*.events.k8s.io"}, []string{"events"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, test.specs...)
				g := newGrowing("pods", "nodes", "events", "events.events.k8s.io", "deployments.apps", "gizmos.example.com", "leases.coordination.k8s.io")
				h.sources.Set(g.member("m"))
				time.Sleep(3 * time.Minute)
				h.wantStreams("in the end", test.want...)
			})
		})
	}
}

// What the credentials may not read waits, and is asked for less and less often.
func TestWildcardOfWhatIsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "*")
		g := newGrowing("configmaps", "secrets", "gizmos.example.com")
		g.closed["secrets"], g.closed["gizmos.example.com"] = true, true
		h.sources.Set(g.member("m"))
		time.Sleep(time.Minute)
		h.wantStreams("at first", "configmaps", "secrets waiting forbidden", "gizmos.example.com waiting forbidden")
		for _, st := range h.sources.Status()[0].Streams {
			if st.Snapshots["no_resume_point"] > 1 {
				t.Errorf("%s has begun %v", st.Stream, st.Snapshots)
			}
		}
		g.asked("/api/v1/secrets")
		time.Sleep(time.Minute) // --reconnect-max is a second in these tests
		if n := g.asked("/api/v1/secrets"); n == 0 || n > 15 {
			t.Errorf("asked %d times in a minute", n)
		}
		g.set(func() { g.closed = nil })
		time.Sleep(20 * time.Second)
		h.wantStreams("once it may", "configmaps", "secrets", "gizmos.example.com")
	})
}

// Hundreds of streams that ask at the same moment what is served cost a few reads, and
// a replay of the wildcard is one of all of them.
func TestWildcardOfManyResources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 200 {
			names = append(names, fmt.Sprintf("r%03d.group-%d.example.com", i, i/20))
		}
		h := startWith(t, ledgerOf(t), []string{"a"}, func(o *Options) { o.Config.Connection.QPS, o.Config.Connection.Burst = 10_000, 10_000 }, "*")
		g := newGrowing(names...)
		h.sources.Set(g.member("m"))
		time.Sleep(20 * time.Second)
		h.wantStreams("all", names...)
		if n := g.asked("/apis/group-3.example.com/v1"); n > 5 {
			t.Errorf("discovery was read %d times", n)
		}
		if r, err := h.sources.Replay(t.Context(), "m", "*"); err != nil || r.Streams != 200 {
			t.Errorf("Replay = %+v, %v", r, err)
		}
		h.sources.Remove("m")
		h.wantLive()
	})
}

// What a wildcard stands for in a member that has not been reached is not known, which is
// no reason to give up what is to be sent there again.
func TestRedeliverBeforeTheSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "*")
		h.sources.Set((&server{uid: "a", down: true}).member("m"))
		pass()
		if _, err := h.sources.Redeliver(t.Context(), "a", &pipeline.Event{Cluster: "m", ID: "/v1/pods/u/5"}); err == nil || !strings.Contains(err.Error(), "not known yet") {
			t.Error(err)
		}
	})
}
