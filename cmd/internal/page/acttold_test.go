package page

import (
	stdhtml "html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Only where it is known that nothing has begun, a failure says so.
func TestFailuresSayWhetherAnythingBegan(t *testing.T) {
	const nothing, maybe = "Nothing was ordered", "It may have begun"
	acting, _, o := actingPage(t)
	for _, c := range []struct {
		do     string
		answer Ordered
		want   string
	}{
		{"replay", Ordered{Code: 409, Line: "there are 512 already"}, nothing},
		{"replay", Ordered{Code: 503, Line: "nothing is delivered from here", Refused: true, Instead: "kubectl <x>"}, nothing},
		{"replay", Ordered{Code: 503, Line: "it has begun, but is not stored"}, maybe},
		{"retry", Ordered{Code: 500, Line: "the file cannot be read"}, maybe},
		{"count", Ordered{Code: 503, Line: "ask again"}, nothing},
	} {
		o.set(c.answer)
		resp := send(t, acting, url.Values{"do": {c.do}, "cluster": {clusterName(5)}})
		if c.do == "retry" {
			resp = send(t, acting, url.Values{"do": {c.do}})
		}
		html := body(t, resp)
		if heading := "<h1>" + c.want + "</h1>"; resp.StatusCode != c.answer.Code || !strings.Contains(html, heading) || !strings.Contains(html, c.answer.Line) {
			t.Errorf("%s, %+v: %s, want %q:\n%s", c.do, c.answer, resp.Status, heading, words(html))
		}
		if strings.Contains(html, "<code>kubectl &lt;x&gt;</code>") != (c.answer.Instead != "") {
			t.Errorf("%+v: the way to the leader:\n%s", c.answer, words(html))
		}
	}
}

// The page after an order shows the state after it, however recent the state before it is.
func TestPagesAfterAnOrderAreNew(t *testing.T) {
	var paused atomic.Bool
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(5, now)
		if paused.Load() {
			s.Paused = append(s.Paused, api.Pause{Target: api.Target{Cluster: clusterName(2)}, Mode: api.PauseStop, Order: api.Order{By: "ben", Since: now}})
		}
		return s
	})
	acting := p.Acting(func(_ *http.Request, path string, _ url.Values) Ordered {
		p.keeper.snapshot()
		p.keeper.next = time.Now().Add(time.Hour) // it counts as recent, as the one of a large fleet does
		paused.Store(path == "/pause")
		return Ordered{Code: http.StatusOK, Line: "done"}
	})
	for _, do := range []string{"pause", "resume", "pause"} {
		resp := send(t, acting, url.Values{"do": {do}, "cluster": {clusterName(2)}, "by": {"anna"}})
		html := body(t, askOf(t, acting, resp.Header.Get("Location")))
		if strings.Contains(html, ">Resume the cluster<") != (do == "pause") {
			t.Errorf("after %s:\n%s", do, words(html))
		}
	}
}

// Whatever else is being made, who has given an order is told what came of it.
func TestAnswersToOrdersNeedNoTurn(t *testing.T) {
	acting, p, o := actingPage(t)
	for range mostAtOnce {
		p.making <- struct{}{}
	}
	o.set(Ordered{Code: http.StatusConflict, Line: "the real reason"})
	resp := send(t, acting, url.Values{"do": {"replay"}, "cluster": {clusterName(5)}})
	if html := body(t, resp); resp.StatusCode != http.StatusConflict || !strings.Contains(html, "the real reason") {
		t.Errorf("%s: %s", resp.Status, html)
	}
}

// What has left can be resumed, where pages act, and is found from the overview.
func TestOrdersOfWhatHasLeft(t *testing.T) {
	const name = "left <the> fleet"
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(5, now)
		by := api.Order{By: "ben", Since: now}
		s.Paused = []api.Pause{{Target: api.Target{Cluster: name, Resource: "pods"}, Mode: api.PauseStop, Order: by}, {Target: api.Target{Route: name}, Mode: api.PauseHold, Order: by}}
		s.Limits = []api.LimitsOrder{{Target: api.Target{Cluster: name}, QPS: new(2.5), Order: by}}
		return s
	})
	o := &ordered{answer: Ordered{Code: http.StatusOK, Line: "it was done"}}
	acting := p.Acting(o.order)
	overview := body(t, askOf(t, acting, "/status"))
	for kind, want := range map[string]string{"clusters": "/resume?by=anna&stream=left+%3Cthe%3E+fleet%2Fpods", "routes": "/resume?by=anna&route=left+%3Cthe%3E+fleet"} {
		path := "/status/" + kind + "/" + url.PathEscape(name)
		if !strings.Contains(overview, `href="`+path+`"`) {
			t.Errorf("the overview does not lead to %s", path)
		}
		html := answered(t, p, path, http.StatusNotFound)
		if strings.Contains(html, "<form") || !strings.Contains(words(html), "by ben") {
			t.Errorf("%s without buttons:\n%s", path, words(html))
		}
		html = answeredBy(t, acting, path, http.StatusNotFound)
		checkStructure(t, path, html)
		if kind == "clusters" && !strings.Contains(words(html), "2.5 changes per second") {
			t.Errorf("%s tells no limits:\n%s", path, words(html))
		}
		if resp := send(t, acting, hiddenFields(html, "by", "anna")); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", path, resp.Status)
		}
		if diff := cmp.Diff([]string{want}, o.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if html := answeredBy(t, acting, "/status/clusters/never", http.StatusNotFound); strings.Contains(html, "<form") {
		t.Errorf("a name without orders:\n%s", words(html))
	}
}

// What would deliver nothing is not offered.
func TestEmptyReplaysAreNotOffered(t *testing.T) {
	acting, _, o := actingPage(t)
	all, some := url.Values{}, url.Values{"labels": {"a=b"}}
	failed := []api.Waiting{{Stream: "pods", Reason: "forbidden"}}
	for _, c := range []struct {
		asked   url.Values
		counted api.Replay
		offer   bool
	}{
		{all, api.Replay{Objects: new(0), Streams: 2}, false},
		{some, api.Replay{Objects: new(0), Streams: 2}, false},
		{some, api.Replay{Objects: new(0), Failed: failed}, false},
		{all, api.Replay{Objects: new(1), Streams: 1, Failed: failed}, true},
		{all, api.Replay{Objects: new(0), Waiting: failed}, true},
		{url.Values{"route": {"x"}}, api.Replay{Objects: new(0), Streams: 1}, true},
		{url.Values{"route": {"x"}, "name": {"a"}}, api.Replay{Objects: new(0), Streams: 1}, false},
	} {
		c.counted.DryRun = true
		o.set(Ordered{Code: http.StatusOK, Line: "counted", Replay: &c.counted})
		c.asked.Set("do", "count")
		html := body(t, send(t, acting, c.asked))
		if strings.Contains(html, `value="replay"`) != c.offer || strings.Contains(html, "Nothing would be delivered again") == c.offer {
			t.Errorf("%v, %+v: offered %v, want %v", c.asked, c.counted, !c.offer, c.offer)
		}
	}
}

// hiddenFields are those of all forms of a page, and some more.
func hiddenFields(html string, more ...string) url.Values {
	fields := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(html, -1) {
		fields.Set(m[1], stdhtml.UnescapeString(m[2]))
	}
	for i := 0; i < len(more); i += 2 {
		fields.Set(more[i], more[i+1])
	}
	return fields
}

// answeredBy returns the page at a path, which has that status.
func answeredBy(t testing.TB, h http.Handler, path string, code int) string {
	t.Helper()
	resp := askOf(t, h, path)
	html := body(t, resp)
	if resp.StatusCode != code {
		t.Errorf("%s: %s, want %d", path, resp.Status, code)
	}
	return html
}
