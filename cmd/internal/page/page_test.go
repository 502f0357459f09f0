package page

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	stdhtml "html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-logr/logr/testr"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

func newTestPage(t testing.TB, status func(time.Time) api.Status) *Page {
	return New(Options{
		Status: status, Version: "v1.2.3", Log: testr.New(tester(t)),
		Limits: func(string) []api.RouteLimit {
			return []api.RouteLimit{{Route: "postgres://db/changes", QPS: 50, Burst: 100}}
		},
		Credentials: func(c string) api.Credentials {
			return api.Credentials{Source: "file fleet.yaml, context " + c, Kind: "token"}
		},
		Batches:     func(string) (uint64, uint64) { return 400, 10000 },
		DeadLetters: func() uint64 { return 0 },
	})
}

// tester is a testing.T for a logger.
func tester(t testing.TB) *testing.T {
	if t, ok := t.(*testing.T); ok {
		return t
	}
	return new(testing.T)
}

func ask(t testing.TB, p *Page, path string, header ...string) *http.Response {
	t.Helper()
	return askOf(t, p.Handler(), path, header...)
}

func askOf(t testing.TB, h http.Handler, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func answered(t testing.TB, p *Page, path string, code int, header ...string) string {
	t.Helper()
	resp := ask(t, p, path, header...)
	text := body(t, resp)
	if resp.StatusCode != code {
		t.Fatalf("GET %s: %s, want %d\n%s", path, resp.Status, code, text)
	}
	return text
}

var tags = regexp.MustCompile(`<[^>]*>`)

// words are what somebody reads of a page.
func words(html string) string {
	text := strings.Join(strings.Fields(tags.ReplaceAllString(html, " ")), " ")
	return strings.NewReplacer(" :", ":", " ,", ",").Replace(text)
}

func TestViews(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(300, now) })
	p.opts.Explain = func(*http.Request) (int, any) {
		return http.StatusOK, map[string]any{"verdict": "waits behind 3 others", "delivered": map[string]any{"byRoute": []string{"a", "b"}}}
	}
	p.keeper.snapshot()
	for name, c := range map[string]struct {
		path string
		want []string
		not  []string
	}{
		"overview": {"/status", []string{
			"Live clusters 294 of 300", "ledger /var/lib/fairlead/ledger can be written", "http://alerts/in 503 Service Unavailable",
			"1 route: the sink fails as a whole", "3 clusters backing off: unreachable", "Next try in 20 s", "3 clusters waiting: credentials refused", "3 streams backing off: forbidden",
			"1 cluster: the sink of http://alerts/in refuses changes 413 the event is too large", "kubectl fairlead status", "backing off 3", "Oldest not accepted 1 min 30 s",
			"1 cluster: the certificate expires soon", "route postgres://db/changes paused by an operator", "The hold of cluster prod-00005, since", "by anna: upgrade of the cluster",
			"The limits of prod-00005: 2.5 changes per second, since",
		}, []string{"connection refused 10."}},
		"the table": {"/status/clusters", []string{"1 to 50 of 300", "Page 1 of 6", "prod-00043"}, []string{"prod-00250"}}, // the worst first
		"a filter":  {"/status/clusters?filter=state:live+-is:degraded+002&sort=-name&per=2", []string{"1 to 2 of 108 that match, of 300 in all", "prod-00299"}, []string{"prod-00100"}},
		"a cluster": {"/status/clusters/prod-00043", []string{
			"prod-00043", "backing off: unreachable", "Attempt 7", "connect: connection refused", "See whether the API server runs", "Described in file fleet.yaml, context prod-00043",
			"Labels example.com/tier=core, region=south", "Credentials token", "Tokens in postgres://db/changes 50 per second, burst 100", "deployments.apps", "postgres://db/changes 123456", "In the ledger 40 of 1000 objects",
			"new here",
		}, nil},
		"a paused cluster": {"/status/clusters/prod-00005", []string{"The hold of cluster prod-00005", "2.5 changes per second"}, nil},
		"a paused route":   {"/status/routes/" + url.PathEscape("postgres://db/changes"), []string{"The hold of route postgres://db/changes"}, nil},
		"expiry":           {"/status/clusters/prod-00150", []string{"Credentials token, ending in 5 d"}, nil},
		"a route": {"/status/routes/" + url.PathEscape("http://alerts/in"), []string{
			"It fails as a whole", "12 writes have failed", "400 of 25 changes", "Next try in 4 s", "prod-00001 3", "413 the event is too large", "6, as it was behind the other routes: prod-00000",
		}, nil},
		"an object":          {"/status/object", []string{"Why is an object where it is?", "Cluster"}, []string{"Answer"}},
		"an object's answer": {"/status/object?cluster=prod-00001&resource=pods&namespace=a&name=b", []string{"verdict waits behind 3 others", "by Route", "kubectl fairlead explain --namespace=a prod-00001 pods/b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			html := answered(t, p, c.path, http.StatusOK)
			got := words(html)
			for _, want := range c.want {
				if !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
					t.Errorf("%s does not say %q:\n%s", c.path, want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got, not) {
					t.Errorf("%s says %q", c.path, not)
				}
			}
			checkStructure(t, c.path, html)
		})
	}
}

// checkStructure checks what each page has: one heading, landmarks, labels of what can be
// filled in, heads of tables, and ids that are there once.
func checkStructure(t *testing.T, path, html string) {
	t.Helper()
	for _, once := range []string{"<h1", "<main", "<header", "<footer", "<title", `class="skip"`, `<html lang="en"`} {
		if n := strings.Count(html, once); n != 1 {
			t.Errorf("%s has %s %d times", path, once, n)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if ids[m[1]] {
			t.Errorf("%s has the id %s twice", path, m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(` (?:for|aria-labelledby|aria-describedby)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if !ids[m[1]] {
			t.Errorf("%s names the id %s, which it has not", path, m[1])
		}
	}
	if strings.Count(html, "<table") != strings.Count(html, "<caption") {
		t.Errorf("%s has a table without a caption", path)
	}
	for _, not := range []string{" style=", "<style", " onclick", "<script>", "http-equiv", `src="http`, `href="http`} {
		if strings.Contains(html, not) {
			t.Errorf("%s has %q, which its policy forbids", path, not)
		}
	}
}

// Whatever others call things, each page shows it as text on one line, and is bounded.
func TestHostileTexts(t *testing.T) {
	for _, bad := range hostile {
		p := newTestPage(t, func(now time.Time) api.Status { return hostileStatus(bad, now) })
		p.opts.Version = bad
		p.opts.Credentials = func(string) api.Credentials { return api.Credentials{Source: bad, Kind: bad} }
		p.opts.Limits = func(string) []api.RouteLimit { return []api.RouteLimit{{Route: bad}} }
		p.opts.Explain = func(r *http.Request) (int, any) {
			if r.FormValue("name") == "fails" {
				return http.StatusNotFound, api.Error{Error: bad}
			}
			return http.StatusOK, map[string]any{bad: []any{bad, map[string]string{bad: bad}}}
		}
		escaped := url.QueryEscape(bad)
		paths := []string{
			"/status", "/status/clusters", "/status/clusters/" + url.PathEscape(bad), "/status/routes/" + url.PathEscape(bad), "/status/clusters/x" + url.PathEscape(bad),
			"/status/clusters?filter=" + escaped, "/status/clusters?sort=" + escaped, "/status/clusters?filter=is:" + escaped, "/status/clusters?l=" + escaped, "/status/clusters?l=a+in+(" + escaped + ")", "/status/clusters?" + escaped + "=1",
			"/status/object?cluster=" + escaped + "&resource=" + escaped + "&namespace=" + escaped + "&name=" + escaped,
			"/status/object?cluster=prod-00001&resource=" + escaped + "&name=b", "/status/object?cluster=prod-00001&resource=pods&name=fails",
			"/status/" + url.PathEscape(bad),
		}
		acting := p.Acting(func(*http.Request, string, url.Values) Ordered { return Ordered{} })
		for i, path := range append(paths, paths...) {
			h := acting
			if i < len(paths) {
				h = p.Handler()
			}
			resp := askOf(t, h, path)
			html := body(t, resp)
			if resp.StatusCode == http.StatusInternalServerError {
				t.Fatalf("GET %.100s: %s", path, html)
			}
			checkStructure(t, path[:min(len(path), 60)], html)
			for _, not := range []string{"<script>alert", "<img", "<i>", "<h1>long", "onmouseover='x", `href="javascript:`, "\u202e", "\u2066", "\x00", "\x1b", "\xff"} {
				if strings.Contains(html, not) {
					t.Errorf("GET %.100s shows %q as it is", path, not)
				}
			}
			for _, r := range html {
				if r != '\n' && r != '\t' && unicode.IsControl(r) {
					t.Fatalf("GET %.100s shows %q", path, r)
				}
			}
			if len(html) > 400<<10 {
				t.Errorf("GET %.100s takes %d bytes", path, len(html))
			}
			if r := askOf(t, h, path, "Accept", "application/json"); !json.Valid([]byte(body(t, r))) {
				t.Errorf("GET %.100s is no JSON", path)
			}
		}
	}
}

func TestJSONByAccept(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(300, now) })
	read := func(path string, code int, to any) {
		t.Helper()
		resp := ask(t, p, path, "Accept", "application/json")
		text := body(t, resp)
		if resp.StatusCode != code || resp.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("GET %s: %s, %s", path, resp.Status, resp.Header.Get("Content-Type"))
		}
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
	}
	var o api.Overview
	if read("/status", 200, &o); o.Totals.Live != 294 || len(o.Lights) != 3 || o.Version != "v1.2.3" || len(o.Causes) != 8 {
		t.Errorf("got %+v", o)
	}
	var l api.ClusterList
	if read("/status/clusters?filter=is:bad&per=3&page=2&sort=name", 200, &l); l.Matching != 9 || len(l.Clusters) != 3 || l.Clusters[0].Name != "prod-00109" {
		t.Errorf("got %+v", l)
	}
	var c api.ClusterDetail
	if read("/status/clusters/prod-00009", 200, &c); c.Cluster.Name != "prod-00009" || len(c.History.LagSeconds) != points || len(c.Transitions) != 1 || len(c.Limits) != 1 {
		t.Errorf("got %+v", c)
	}
	var r api.RouteDetail
	if read("/status/routes/"+url.PathEscape("http://alerts/in"), 200, &r); r.BehindAll != 6 || len(r.Waiting) != mostWaiting || r.Lane.Live == 0 || r.Batches != 400 {
		t.Errorf("got %+v", r)
	}
	var e api.Error
	if read("/status/clusters/none", 404, &e); e.Error != "there is no cluster none" {
		t.Errorf("got %+v", e)
	}
	for accept, want := range map[string]int{
		"": html, "*/*": html, "application/json": jsonForm, "text/html,application/json;q=0.9": html, "text/html;q=0.5, application/json": jsonForm,
		"application/json,text/html": html, "text/event-stream": events, "application/json;q=x": html,
	} {
		if got := wanted(accept); got != want {
			t.Errorf("Accept: %s leads to %d, want %d", accept, got, want)
		}
	}
}

// Pages stay small, however many streams a cluster has or clusters a sink refuses.
func TestTablesAreBounded(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(1, now)
		of, c := &s.Sinks[1], &s.Clusters[0]
		c.Labels = map[string]string{}
		of.Healthy, of.LastError = false, ""
		for range 3000 {
			r := of.Refused[0]
			r.Since = r.Since.Add(-time.Duration(len(of.Refused)) * time.Second) // the oldest comes last
			of.Refused = append(of.Refused, r)
			c.Streams = append(c.Streams, c.Streams[0])
			c.Labels[fmt.Sprint("label-", len(of.Refused))] = "x"
		}
		return s
	})
	for path, want := range map[string]string{
		"/status/routes/" + url.PathEscape("http://alerts/in"): "And 2901 clusters more.",
		"/status/clusters/" + clusterName(0):                   "And 2902 streams more.",
	} {
		html := answered(t, p, path, http.StatusOK)
		if rows := strings.Count(html, "<tr>"); !strings.Contains(words(html), want) || rows > 150 {
			t.Errorf("%s has %d rows, and does not say %q", path, rows, want)
		}
		if labels := strings.Count(html, "?l=label-"); labels > mostRows || labels > 0 && !strings.Contains(html, ", and 2900 labels more") {
			t.Errorf("%s has %d labels", path, labels)
		}
	}
	s := p.keeper.snapshot()
	for _, l := range lightsOf(s) {
		if want := s.status.Sinks[1].Refused[3000].Since; l.Level == warn && !l.Since.Equal(want) {
			t.Errorf("the sink refuses since %v, want %v", l.Since, want)
		}
	}
}

// A command that somebody copies does what it says, whatever a link has put into it.
func TestCommands(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(1, now)
		s.Clusters[0].Name = "--kubeconfig=/tmp/x"
		return s
	})
	p.opts.Explain = func(*http.Request) (int, any) { return http.StatusOK, map[string]any{} }
	for path, want := range map[string]string{
		"/status/object?cluster=--kubeconfig%3D/tmp/x&resource=pods&name=a&namespace=b": "kubectl fairlead explain --namespace=b -- --kubeconfig=/tmp/x pods/a",
		"/status/object?cluster=--kubeconfig%3D/tmp/y&resource=pods&name=a":             "",
		"/status/clusters/--kubeconfig=%2Ftmp%2Fx":                                      "kubectl fairlead status -- --kubeconfig=/tmp/x",
	} {
		html := answered(t, p, path, http.StatusOK)
		if got := regexp.MustCompile(`(?s)id="command">(.*?)</code>`).FindStringSubmatch(html)[1]; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestMistakesInTheAddressAreTold(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(3, now) })
	for path, want := range map[string]string{
		"/status/clusters?sort=size":                                "nothing can be sorted by &#34;size&#34;",
		"/status/clusters?page=0":                                   "page=&#34;0&#34; is no number from 1",
		"/status/clusters?per=501":                                  "from 1 to 500",
		"/status/clusters?filter=-":                                 "says nothing",
		"/status/clusters?filter=prod+state:":                       "says nothing",
		"/status/clusters?filter=%22%22":                            "says nothing",
		"/status/clusters?filter=is:happy":                          "is:happy can mean nothing",
		"/status/clusters?a=b":                                      "there is no parameter &#34;a&#34;",
		"/status/clusters?filter=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q": "at most 16 words",
		"/status/clusters?filter=" + strings.Repeat("a", 501):       "longer than 500 bytes",
		"/status/clusters?l=" + strings.Repeat("a", 501):            "the selector of labels is longer than 500 bytes",
		"/status/clusters?l=" + strings.Repeat("a,", 16) + "a":      "at most 16 labels",
		"/status/clusters?l=a%3Db%3Dc":                              "l: ",
		"/status/clusters?l=a%00":                                   "holds something that cannot be seen",
		"/status/clusters?l=%2C":                                    "l: found",
		"/status/object?cluster=prod-00001&name=a":                  "which object?",
	} {
		if got := answered(t, p, path, http.StatusBadRequest); !strings.Contains(got, want) {
			t.Errorf("GET %s does not say %q:\n%s", path, want, words(got))
		}
	}
	answered(t, p, "/status/nowhere", http.StatusNotFound)
	answered(t, p, "/status/routes/none", http.StatusNotFound)
	if resp := ask(t, p, "/"); resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "/status" {
		t.Errorf("GET / leads to %q with %s", resp.Header.Get("Location"), resp.Status)
	}
}

func TestFilters(t *testing.T) {
	row := api.ClusterRow{Name: "Prod-EU-1", State: "backing off", Reason: "credentials refused", Level: bad, Streams: 2, LiveStreams: 1, Throttled: new(.5), Version: "v1.34.1"}
	for filter, want := range map[string]bool{
		"": true, "prod": true, "prod us": false, "-us": true, "-prod": false, `state:"backing off"`: true, "state:live": false, `reason:"credentials refused"`: true,
		"is:bad": true, "is:ok": false, "is:throttled": true, "is:degraded": true, "is:waiting": false, "version:1.34 eu": true, "NAME:prod": true, "arn:aws": false, `"prod-eu"`: true, `"`: false,
	} {
		terms, err := parseFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got := (&table{terms: terms, has: labels.Everything()}).matches(&row); got != want {
			t.Errorf("%s matches: %t", filter, got)
		}
	}
}

// The table shows clusters with labels, by what kubectl takes for -l. Every address that it leads to
// keeps the selector.
func TestClustersAreFilteredByLabels(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(300, now)
		for i := range s.Clusters {
			s.Clusters[i].Labels = map[string]string{"region": []string{"north", "south"}[i%2], "example.com/tier": []string{"edge", "core", "lab"}[i%3]}
		}
		s.Clusters[7].Labels = nil
		return s
	})
	for selector, want := range map[string]int{
		"": 300, "region=north": 150, "region!=north": 150, "region=south,example.com/tier in (edge, core)": 99, "!region": 1, "example.com/tier": 299, "region=west": 0, "region=<b>": -1,
	} {
		address := "/status/clusters?per=2&filter=prod&" + url.Values{"l": {selector}}.Encode()
		if want < 0 {
			answered(t, p, address, http.StatusBadRequest)
			continue
		}
		var l api.ClusterList
		if err := json.Unmarshal([]byte(body(t, ask(t, p, address, "Accept", "application/json"))), &l); err != nil || l.Matching != want || l.Selector != selector {
			t.Errorf("%s: %d clusters of %d, selector %q: %v", selector, l.Matching, l.Total, l.Selector, err)
		}
		html := answered(t, p, address, http.StatusOK)
		for _, m := range regexp.MustCompile(`href="(/status/clusters\?[^"]*)"`).FindAllStringSubmatch(html, -1) {
			to, err := url.Parse(stdhtml.UnescapeString(m[1]))
			if err != nil || to.Query().Get("l") != selector || to.Query().Get("filter") != "prod" {
				t.Errorf("%s: a link leads to %s: %v", selector, m[1], err)
			}
		}
	}
	html := answered(t, p, "/status/clusters?l=!region&sort=-lag", http.StatusOK)
	for _, want := range []string{`name="l" type="search" value="!region"`, "kubectl fairlead status --selector=&#39;!region&#39;", `href="/status/clusters?l=%21region">The worst first`} {
		if !strings.Contains(html, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// The page of a cluster leads to those that have the same label. What is no label is text, also
// if it is a selector of something else.
func TestLabelsLeadToTheTable(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(10, now)
		s.Clusters[0].Labels = map[string]string{
			"region": "north", "example.com/tier": "", "zone": "in", "in": "zone", // a word of selectors
			"a": "b,region=north", "c": " d ", "!e": "f", "region!": "north",
			"g": "<b>", "h": "i\u202ej", "k": strings.Repeat("l", 501), "": "m", " n": "o",
		}
		return s
	})
	html := answered(t, p, "/status/clusters/"+clusterName(0), http.StatusOK)
	var texts, addresses []string
	for _, m := range regexp.MustCompile(`<a href="([^"]*)"><bdi>([^<]*=[^<]*)</bdi></a>`).FindAllStringSubmatch(html, -1) {
		addresses, texts = append(addresses, m[1]), append(texts, m[2])
	}
	if want := []string{"example.com/tier=", "in=zone", "region=north", "zone=in"}; !slices.Equal(texts, want) {
		t.Errorf("links of %q, want %q", texts, want)
	}
	for i, want := range []int{1, 1, 5, 1} {
		var l api.ClusterList
		if err := json.Unmarshal([]byte(answered(t, p, stdhtml.UnescapeString(addresses[i]), http.StatusOK, "Accept", "application/json")), &l); err != nil || l.Matching != want || l.Selector != texts[i] {
			t.Errorf("%s leads to %d clusters with %q: %v", texts[i], l.Matching, l.Selector, err)
		}
	}
	for _, want := range []string{"a=b,region=north", "c= d ", "!e=f", " n=o", "=m", "g=&lt;b&gt;", `h=i\u{202e}j`, "region!=north"} {
		if !strings.Contains(html, "<bdi>"+want+"</bdi>") {
			t.Errorf("the page does not say %s", want)
		}
	}
}

func TestAnswersAreGuarded(t *testing.T) {
	p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(3, now) })
	html := answered(t, p, "/status", http.StatusOK)
	script := regexp.MustCompile(`src="([^"]*)"`).FindStringSubmatch(html)[1]
	for _, path := range []string{"/status", "/status/clusters/none", script} {
		h := ask(t, p, path).Header
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("GET %s has the policy %q", path, policy)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s lets its type be guessed", path)
		}
	}
	resp := ask(t, p, script, "Accept-Encoding", "gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("the script has %v", resp.Header)
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != string(assets["page.js"].plain) {
		t.Errorf("the script differs: %v", err)
	}
	if resp := ask(t, p, script, "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("the script is sent again: %s", resp.Status)
	}
	answered(t, p, "/status/assets/page.go", http.StatusNotFound)
	if zipped := ask(t, p, "/status", "Accept-Encoding", "gzip"); zipped.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the page is not compressed")
	}
}
