package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// ordered are the orders that an acting page has given, and what they are answered with.
type ordered struct {
	mu     sync.Mutex
	given  []string
	answer Ordered
}

func (o *ordered) order(_ *http.Request, path string, q url.Values) Ordered {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.given = append(o.given, path+"?"+q.Encode())
	return o.answer
}

// set says how the next ones are answered.
func (o *ordered) set(answer Ordered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

// take returns those since the last call.
func (o *ordered) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	given := o.given
	o.given = nil
	return given
}

// actingPage is a page with buttons of a fleet, in which the cluster 5 and one route are paused.
func actingPage(t testing.TB) (http.Handler, *Page, *ordered) {
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(10, now)
		s.Paused = append(s.Paused, api.Pause{Target: api.Target{Cluster: clusterName(5), Resource: "pods"}, Mode: api.PauseStop, Order: api.Order{By: "ben", Since: now}})
		s.Limits = append(s.Limits, api.LimitsOrder{Target: api.Target{Cluster: clusterName(5), Resource: "pods"}, QPS: new(0.5), Order: api.Order{By: "ben", Since: now}},
			api.LimitsOrder{Target: api.Target{Route: "http://alerts/in"}, QPS: new(7.5), Order: api.Order{By: "ben", Since: now}})
		return s
	})
	o := &ordered{answer: Ordered{Code: http.StatusOK, Line: "it was done"}}
	return p.Acting(o.order), p, o
}

// send posts a form.
func send(t testing.TB, h http.Handler, fields url.Values, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, orderPath, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

var onCluster, onRoute = "/status/clusters/" + clusterName(5), "/status/routes/" + url.PathEscape("postgres://db/changes")

// Pages for the health address have no buttons that act, and take no forms.
func TestOnlyActingPagesHaveButtons(t *testing.T) {
	acting, p, o := actingPage(t)
	for _, path := range []string{onCluster, onRoute, "/status", "/status/clusters", "/status/object"} {
		html := answered(t, p, path, http.StatusOK)
		if strings.Contains(html, `method="post"`) || strings.Contains(html, orderPath) || !strings.Contains(html, "This page changes nothing") {
			t.Errorf("%s acts", path)
		}
		html = body(t, askOf(t, acting, path))
		if forms := path == onCluster || path == onRoute; strings.Contains(html, `method="post"`) != forms || strings.Contains(html, "This page changes nothing") {
			t.Errorf("%s has buttons: %v, want %v", path, !forms, forms)
		}
		checkStructure(t, path, html)
	}
	for _, resp := range []*http.Response{send(t, p.Handler(), url.Values{"do": {"resume"}, "cluster": {clusterName(5)}, "by": {"anna"}}), askOf(t, acting, orderPath)} {
		if text := body(t, resp); resp.StatusCode != http.StatusMethodNotAllowed && resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", resp.Status, text)
		}
	}
	if given := o.take(); given != nil {
		t.Errorf("ordered: %q", given)
	}
}

// What is paused and limited is shown where it can be changed.
func TestActingPagesTellWhatIsInEffect(t *testing.T) {
	acting, _, _ := actingPage(t)
	for path, want := range map[string][]string{
		onCluster: {"Resume the cluster", "Resume pods", "The limits of pods of prod-00005: 0.5 changes per second", "The limits of prod-00005: 2.5 changes per second", "Pause delivery", "Count first"},
		onRoute:   {"Resume the route", "Pause delivery", "Send those of all sinks again"},
		"/status/routes/" + url.PathEscape("http://alerts/in"): {"The limits of the route http://alerts/in: 7.5 changes per second", "Pause delivery"},
	} {
		html := body(t, askOf(t, acting, path))
		for _, one := range want {
			if !strings.Contains(words(html), one) {
				t.Errorf("%s does not say %q:\n%s", path, one, words(html))
			}
		}
		if strings.Contains(html, ">Resume the route<") != (path == onRoute) {
			t.Errorf("%s offers what cannot be done", path)
		}
	}
}

// A form becomes what a command posts, and its answer leads to the page that tells of it.
func TestFormsAreOrders(t *testing.T) {
	acting, _, o := actingPage(t)
	for want, fields := range map[string]url.Values{
		"/pause?by=anna&cluster=prod-00005&for=30m&mode=stop&reason=a+b":   {"do": {"pause"}, "cluster": {"prod-00005"}, "resource": {""}, "mode": {"stop"}, "for": {" 30m "}, "reason": {"a b"}, "by": {"anna"}},
		"/pause?by=anna&mode=hold&stream=prod-00005%2Fpods":                {"do": {"pause"}, "cluster": {"prod-00005"}, "resource": {"pods"}, "mode": {"hold"}, "for": {""}, "reason": {""}, "by": {"anna"}},
		"/pause?by=anna&route=postgres%3A%2F%2Fdb%2Fchanges":               {"do": {"pause"}, "route": {"postgres://db/changes"}, "by": {"anna"}},
		"/resume?by=anna&cluster=prod-00005":                               {"do": {"resume"}, "cluster": {"prod-00005"}, "resource": {""}, "by": {"anna"}},
		"/resume?by=anna&stream=prod-00005%2Fpods":                         {"do": {"resume"}, "cluster": {"prod-00005"}, "resource": {"pods"}, "by": {"anna"}},
		"/replay?cluster=prod-00005&labels=a%3Db&route=http%3A%2F%2Fa%2Fb": {"do": {"replay"}, "cluster": {"prod-00005"}, "labels": {"a=b"}, "route": {"http://a/b"}},
		"/dead-letter/retry?wait=3s":                                       {"do": {"retry"}, "route": {"postgres://db/changes"}},
	} {
		resp := send(t, acting, fields)
		text := body(t, resp)
		if diff := cmp.Diff([]string{want}, o.take()); diff != "" {
			t.Errorf("(-want +got):\n%s%s", diff, text)
			continue
		}
		to := resp.Header.Get("Location")
		page, id, _ := strings.Cut(to, "?"+resultName+"=")
		if at := fields.Get("cluster"); resp.StatusCode != http.StatusSeeOther || len(id) < 20 || at != "" && page != onCluster || at == "" && page != onRoute {
			t.Errorf("%s: %s leads to %q", want, resp.Status, to)
			continue
		}
		html := body(t, askOf(t, acting, to))
		if !strings.Contains(html, `</time> it was done</p>`) || !strings.Contains(html, `data-follow="`+page+`"`) {
			t.Errorf("%s does not tell what was done, or follows it", to)
		}
		if html := body(t, askOf(t, acting, page+"?"+resultName+"=it+was+done")); strings.Contains(html, "it was done") {
			t.Error("a link has the page say what it likes")
		}
	}
}

// Before a replay a page says what it would deliver, and its button has that done.
func TestReplayIsConfirmed(t *testing.T) {
	acting, _, o := actingPage(t)
	counted := Ordered{Code: http.StatusOK, Line: "This would deliver 12 objects again."}
	counted.Replay = &api.Replay{Objects: new(12), DryRun: true, Waiting: []api.Waiting{{Stream: "<i>", Reason: "resource gone"}}, Failed: []api.Waiting{{Stream: "secrets", Reason: "forbidden"}}}
	o.set(counted)
	fields := url.Values{"do": {"count"}, "cluster": {"prod-00005"}, "namespace": {"shop"}, "labels": {"app in (a, b)"}, "resource": {""}, "name": {""}, "route": {""}}
	resp := send(t, acting, fields)
	html := body(t, resp)
	checkStructure(t, orderPath, html)
	said := words(html)
	for _, want := range []string{"This would deliver 12 objects again.", "&lt;i&gt;: resource gone", "secrets: forbidden", "Back, and deliver nothing", "kubectl fairlead replay --cluster=prod-00005 --namespace=shop --selector=&#39;app in (a, b)&#39;"} {
		if resp.StatusCode != http.StatusOK || !strings.Contains(said, want) {
			t.Errorf("%s: does not say %q:\n%s", resp.Status, want, said)
		}
	}
	again := hiddenFields(html)
	o.set(Ordered{Code: http.StatusOK, Line: "done"})
	if resp := send(t, acting, again); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("%s", resp.Status)
	}
	if diff := cmp.Diff([]string{"/replay?cluster=prod-00005&dryRun=true&labels=app+in+%28a%2C+b%29&namespace=shop", "/replay?cluster=prod-00005&labels=app+in+%28a%2C+b%29&namespace=shop"}, o.take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is no form of ours orders nothing.
func TestFormsAreChecked(t *testing.T) {
	acting, _, o := actingPage(t)
	plain := []string{"Content-Type", "text/plain"}
	for name, c := range map[string]struct {
		fields url.Values
		header []string
		code   int
		want   string
	}{
		"no kind":        {url.Values{"cluster": {"a"}}, nil, 400, "what to do"},
		"another kind":   {url.Values{"do": {"deep"}}, nil, 400, "what to do"},
		"another field":  {url.Values{"do": {"retry"}, "wait": {"10m"}}, nil, 400, "field wait too many"},
		"a field twice":  {url.Values{"do": {"replay"}, "cluster": {"a", "b"}}, nil, 400, "field cluster too many"},
		"two kinds":      {url.Values{"do": {"resume", "pause"}, "cluster": {"a"}, "by": {"anna"}}, nil, 400, "field do too many"},
		"nobody":         {url.Values{"do": {"pause"}, "cluster": {"a"}, "by": {" "}}, nil, 400, "your name"},
		"nobody resumes": {url.Values{"do": {"resume"}, "cluster": {"a"}}, nil, 400, "your name"},
		"text":           {url.Values{"do": {"retry"}}, plain, 415, "forms"},
		"large":          {url.Values{"do": {"retry"}, "route": {strings.Repeat("a", mostForm)}}, nil, 413, "larger"},
		"hostile":        {url.Values{"do": {"retry"}, "<script>\x1b": {"x"}}, nil, 400, `field &lt;script&gt;\u{1b} too many`},
	} {
		resp := send(t, acting, c.fields, c.header...)
		html := body(t, resp)
		if resp.StatusCode != c.code || !strings.Contains(html, c.want) || strings.Contains(html, "<script>\x1b") {
			t.Errorf("%s: %s, want %d with %q:\n%s", name, resp.Status, c.code, c.want, words(html))
		}
		checkStructure(t, name, html)
	}
	if given := o.take(); given != nil {
		t.Errorf("ordered: %q", given)
	}
}

// Why something was not done is told, as text, with the way back.
func TestRefusedOrdersAreTold(t *testing.T) {
	acting, _, o := actingPage(t)
	o.set(Ordered{Code: http.StatusServiceUnavailable, Line: "nothing is delivered from here (<i>); ask the leader", Known: []string{"<b>"}})
	resp := send(t, acting, url.Values{"do": {"resume"}, "cluster": {".."}, "by": {"anna"}})
	html := body(t, resp)
	if resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(html, "<i>") || strings.Contains(html, "<b>") ||
		!strings.Contains(words(html), "(&lt;i&gt;); ask the leader") || !strings.Contains(html, `href="/status/cluster?name=..">Back`) {
		t.Errorf("%s: %s", resp.Status, html)
	}
	// Where the answer leads, no name can change.
	o.set(Ordered{Code: http.StatusOK, Line: "done"})
	for name, want := range map[string]string{"//evil.example/": "/status/clusters/%2F%2Fevil.example%2F?", "a\r\nX: y": "/status/clusters/a%0D%0AX:%20y?", "..": "/status/cluster?name=..&", "": "/status?"} {
		resp := send(t, acting, url.Values{"do": {"resume"}, "cluster": {name}, "by": {"anna"}})
		if to := resp.Header.Get("Location"); !strings.HasPrefix(to, want+resultName+"=") || resp.Header.Get("X") != "" {
			t.Errorf("%q leads to %q, want %q", name, to, want)
		}
	}
}

func TestResultsAreBounded(t *testing.T) {
	var r results
	var ids []string
	for i := range mostResults + 1 {
		ids = append(ids, r.add(fmt.Sprint(i)))
	}
	if r.of(ids[0]).Line != "" || r.of(ids[1]).Line != "1" || r.of(ids[mostResults]).Line != fmt.Sprint(mostResults) || r.of("").Line != "" || len(r.all) != mostResults {
		t.Errorf("%d are kept", len(r.all))
	}
}

// What came of an order is told with its time, and not for ever: an address may be opened again.
func TestResultsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r results
		began := time.Now()
		id := r.add("done")
		time.Sleep(resultsFor - time.Second)
		if got := r.of(id); got.Line != "done" || !got.At.Equal(began) {
			t.Errorf("after a while: %+v", got)
		}
		time.Sleep(time.Second)
		if got := r.of(id); got.Line != "" {
			t.Errorf("after %v: %+v", resultsFor, got)
		}
	})
}
