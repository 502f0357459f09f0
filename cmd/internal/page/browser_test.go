package page

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testbrowser"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
	"github.com/fairlead-dev/fairlead/sources/member"
)

var (
	writePictures = flag.Bool("write-pictures", false, "write the pictures of the status page in docs/img")
	strictTimes   = flag.Bool("strict-times", false, "fail if a page takes longer than it should on a machine that does nothing else")
)

// axe is axe-core 4.10.3, which finds what keeps people from using a page.
//
//go:embed testdata/axe/axe.min.js
var axe string

// largeFleet is a page with so many clusters and a past.
func largeFleet(t testing.TB, n int) (p *Page, broken *atomic.Bool) {
	broken = new(atomic.Bool)
	start := time.Now()
	var past atomic.Int64 // that was made up
	p = newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(n, start)
		at := now.Sub(start) + time.Duration(past.Load())
		for i := range s.Clusters {
			c := &s.Clusters[i]
			wave := (int64(at/every) + int64(i)*7) % 60
			c.Counts.HandedOut = uint64(at.Seconds() * float64(2+i%9))
			c.Routes[0].Counts.ThrottledSeconds = at.Seconds() * float64(i%4) * .15
			for j := range c.Streams {
				c.Streams[j].LastFrame = now.Add(-time.Second)
			}
			if wave < 12 && i%100 != 20 {
				c.Streams[0].Unacked, c.Streams[0].OldestUnacked = int(wave), now.Add(-time.Duration(wave*(12-wave))*100*time.Millisecond)
			}
		}
		if broken.Load() {
			s.Clusters[0].State, s.Clusters[0].Reason, s.Clusters[0].Since = member.BackingOff, "broken by a test", now
		}
		return s
	})
	for range points {
		past.Add(int64(every))
		p.keeper.mu.Lock()
		p.keeper.pointed = time.Now().Add(-every)
		p.keeper.lookLocked()
		p.keeper.now = nil
		p.keeper.mu.Unlock()
		for i := range 500 {
			took := time.Duration(3+i%40) * time.Millisecond
			p.Observe("postgres://db/changes", stage.Delivery{Change: &pipeline.Change{Observed: time.Now().Add(-2 * took)}, Began: time.Now().Add(-took)})
		}
	}
	p.opts.Explain = func(r *http.Request) (int, any) {
		q := r.URL.Query()
		return http.StatusOK, throttledObject(q.Get("cluster"), q.Get("resource"), q.Get("namespace"), q.Get("name"))
	}
	return p, broken
}

// throttledObject is what is said of an object that one sink has, and whose cluster waits for
// tokens on its way to another.
func throttledObject(cluster, resource, namespace, name string) *api.Explanation {
	now := time.Now().UTC().Truncate(time.Second)
	const do = "Raise --cluster-qps or the cluster's own limit, or find out what changes so often there."
	return &api.Explanation{
		Cluster: cluster, Resource: resource, Namespace: namespace, Name: name,
		Member: &api.InMember{Exists: true, UID: "0a1b6f0e-3a52-4c7e-9c36-5d1f1c2a7b90", ResourceVersion: "4711"},
		Routes: []api.Verdict{
			{
				Route: "postgres://db/changes", Reason: api.ReasonThrottled, Code: "FL1202", Do: do, ResourceVersion: "4711", Since: now.Add(-2 * time.Second), Ahead: new(2), Line: 5,
				Message: "Version 4711 is the 3rd of 5 in its lane and waits for a token of its cluster's rate of 2 per second, for 1.2s.",
			},
			{
				Route: "http://alerts/in", Reason: api.ReasonDelivered, ResourceVersion: "4711", Since: now.Add(-4 * time.Second),
				Message:   "Delivered 4s ago, 12ms after it was read, as apps/v1/deployments/0a1b6f0e-3a52-4c7e-9c36-5d1f1c2a7b90/4711.",
				Delivered: &api.Delivered{ID: "apps/v1/deployments/0a1b6f0e-3a52-4c7e-9c36-5d1f1c2a7b90/4711", Op: "updated", ResourceVersion: "4711", At: now.Add(-4 * time.Second), LagSeconds: .012},
			},
		},
		Findings: []api.Finding{{
			Code: "FL1202", Severity: api.SeverityWarning, Cluster: cluster, Route: "postgres://db/changes", Do: do, Page: "docs/findings.md#fl1202",
			Cause: "Changes of cluster " + cluster + " waited for its limit for 1.8s of the last 2s, on their way to postgres://db/changes.",
		}},
	}
}

// TestInBrowser has a real browser show each view.
func TestInBrowser(t *testing.T) {
	browser := testbrowser.Start(t)
	p, broken := largeFleet(t, 5000)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	server := httptest.NewServer(p.Handler())
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	}()
	views := map[string]string{
		"overview": "/status", "clusters": "/status/clusters", "filtered": "/status/clusters?filter=state%3Alive&sort=-lag", "cluster": "/status/clusters/prod-00043",
		"route": "/status/routes/" + url.PathEscape("http://alerts/in"), "object": "/status/object?cluster=prod-00001&resource=pods&name=a", "failure": "/status/nowhere",
	}
	t.Run("views", func(t *testing.T) {
		for name, path := range views {
			for _, s := range []testbrowser.Settings{{}, {Dark: true}, {Width: 400, Height: 800}, {NoScript: true}} {
				t.Run(fmt.Sprintf("%s dark=%t width=%d script=%t", name, s.Dark, s.Width, !s.NoScript), func(t *testing.T) { showView(t, browser, server.URL+path, s) })
			}
		}
	})
	t.Run("acting", func(t *testing.T) { useButtons(t, browser) })
	t.Run("hostile", func(t *testing.T) { showHostile(t, browser) })
	t.Run("times", func(t *testing.T) { measureTimes(t, browser, server.URL, views) })
	t.Run("keys", func(t *testing.T) { useKeys(t, browser, server.URL) })
	t.Run("follows", func(t *testing.T) { followInBrowser(t, browser, server.URL, broken) })
	if *writePictures {
		t.Run("pictures", func(t *testing.T) { takePictures(t, browser, server.URL) })
	}
}

// showView opens a view and has axe look at it. Nothing may be wider than the window, and
// the browser may have nothing to complain of.
func showView(t *testing.T, browser *testbrowser.Browser, address string, s testbrowser.Settings) {
	tab := browser.Open(t, address, s)
	defer tab.Close(t)
	var seen struct {
		Text    string
		Script  bool
		Wide    float64
		Back    string
		Heading int
	}
	tab.Eval(t, `({Text: document.querySelector("main").innerText, Script: !!document.querySelector("#tools button"), Wide: document.documentElement.scrollWidth - innerWidth,
		Back: getComputedStyle(document.body).backgroundColor, Heading: document.querySelectorAll("h1").length})`, &seen)
	if len(seen.Text) < 40 || seen.Heading != 1 {
		t.Errorf("the page shows %q", seen.Text)
	}
	if seen.Script == s.NoScript {
		t.Errorf("the script has run: %t", seen.Script)
	}
	if seen.Wide > 0 {
		t.Errorf("the page is %v pixels wider than the window", seen.Wide)
	}
	if dark := seen.Back == "rgb(13, 17, 23)"; dark != s.Dark {
		t.Errorf("the page is %s", seen.Back)
	}
	if s.NoScript {
		return
	}
	findViolations(t, tab)
	for _, problem := range tab.Problems() {
		if !strings.Contains(problem, "404") { // a page that is not there answers so
			t.Errorf("the browser complains: %s", problem)
		}
	}
}

// findViolations has axe look at a page.
func findViolations(t *testing.T, tab *testbrowser.Tab) {
	t.Helper()
	tab.Eval(t, axe+"; 0", nil)
	var violations []struct {
		ID    string
		Help  string
		Nodes []struct {
			HTML           string
			FailureSummary string
		}
	}
	tab.Eval(t, `axe.run({resultTypes: ["violations"]}).then(r => r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.slice(0, 3).map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))})))`, &violations)
	for _, v := range violations {
		detail, _ := json.Marshal(v.Nodes)
		t.Errorf("axe: %s: %s: %.1500s", v.ID, v.Help, detail)
	}
}

// showHostile opens views full of hostile texts: nothing of them is markup, and the page
// does not become wider than a telephone.
func showHostile(t *testing.T, browser *testbrowser.Browser) {
	for _, bad := range hostile {
		if !strings.ContainsAny(bad, "<'\u202e") {
			continue // it is like others in a browser
		}
		p := newTestPage(t, func(now time.Time) api.Status { return hostileStatus(bad, now) })
		server := httptest.NewServer(p.Handler())
		for _, path := range []string{"/status", "/status/clusters", "/status/clusters/" + url.PathEscape(bad), "/status/routes/" + url.PathEscape(bad), "/status/object?cluster=" + url.QueryEscape(bad)} {
			tab := browser.Open(t, server.URL+path, testbrowser.Settings{Width: 400, Height: 800})
			var seen struct {
				Text   string
				Markup int
				Wide   float64
			}
			tab.Eval(t, `({Text: document.querySelector("main").innerText, Wide: document.documentElement.scrollWidth - innerWidth,
				Markup: document.querySelectorAll("img, iframe, object, script:not([src]), main script, [onerror], [onmouseover], i, main h1 ~ h1, a:not([href^='/']):not([href^='#'])").length})`, &seen)
			if seen.Markup > 0 || seen.Wide > 0 || len(seen.Text) < 20 {
				t.Errorf("%.80q at %.60s: %d elements are its, and the page is %v pixels too wide: %.200q", bad, path, seen.Markup, seen.Wide, seen.Text)
			}
			for _, problem := range tab.Problems() {
				if !strings.Contains(problem, " 400 ") && !strings.Contains(problem, " 404 ") {
					t.Errorf("%.80q at %.60s: the browser complains: %s", bad, path, problem)
				}
			}
			tab.Close(t)
		}
		server.Close()
	}
}

// How long the thread of a page may be on a processor, in milliseconds. Waiting for one is not in
// it. What others take of caches and cores is, so that the bounds are longer on a machine that
// is slow at the moment, see slowness.
const (
	mostPaint  = 200 // from the start of the navigation to the first paint
	mostTask   = 50  // in one task
	mostView   = 160 // in all tasks of a view
	mostRedraw = 80  // to draw it anew while it is followed
)

// measureTimes has the browser show each view, and follow some. It fails if the page's thread
// works longer than it may, five times, as a mistake does; and with -strict-times at the first
// time, and also if somebody who waits does, which is only right on a machine that does nothing
// else.
func measureTimes(t *testing.T, browser *testbrowser.Browser, address string, views map[string]string) {
	blank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>blank</title>"))
	}))
	defer blank.Close()
	reference := browser.Open(t, blank.URL, testbrowser.Settings{})
	defer reference.Close(t)
	tries := 5
	if *strictTimes {
		tries = 1
	}
	again := func(name string, measure func() (part float64)) {
		for try := 1; ; try++ {
			slow := slowness(t, reference)
			part := measure()
			slow = max(slow, slowness(t, reference)) // others come and go
			if part <= slow {
				return
			}
			t.Logf("%s takes %.1f times what it may, on a machine that is %.1f times slow", name, part, slow)
			if try == tries {
				t.Errorf("%s is too slow, %d times", name, try)
				return
			}
		}
	}
	for name, path := range views {
		again(name, func() float64 { return measureView(t, browser, name, address+path) })
	}
	for _, name := range []string{"overview", "clusters"} {
		again("following "+name, func() float64 { return measureFollowing(t, browser, name, address+views[name]) })
	}
}

// slowness is how many times longer than on a machine with time a blank page takes to show a
// table, which is work of the kind that views make: of text, style and layout.
func slowness(t *testing.T, blank *testbrowser.Tab) float64 {
	t.Helper()
	const withTime = 20 // milliseconds, a little more than it takes there
	worked := blank.Watch(t, func() {
		blank.Eval(t, `(() => {
			const host = document.createElement("div");
			let text = "<table>";
			for (let i = 0; i < 400; i++) text += "<tr><td><a href='#'>row " + i + "</a><td>" + i;
			host.innerHTML = text;
			document.body.append(host);
			const height = host.offsetHeight;
			host.remove();
			return height;
		})()`, nil)
	})
	slow := max(worked.Longest/withTime, 1)
	t.Logf("this machine is %.1f times slow", slow)
	return slow
}

// measureView opens a view, and returns how many times longer its thread works than it may on a
// machine with time.
func measureView(t *testing.T, browser *testbrowser.Browser, name, address string) float64 {
	t.Helper()
	tab := browser.Open(t, address, testbrowser.Settings{})
	defer tab.Close(t)
	var got struct {
		Paint, Answer, Nodes, Bytes float64
		Long                        []float64
	}
	worked := tab.Watch(t, func() {
		tab.Go(t, address) // with style and script at hand, as somebody has who looks again
		tab.Until(t, `performance.getEntriesByName("first-contentful-paint").length > 0`)
		tab.Eval(t, `new Promise(done => {
			const long = [];
			new PerformanceObserver(l => long.push(...l.getEntries().map(e => e.duration))).observe({type: "longtask", buffered: true});
			requestIdleCallback(() => setTimeout(() => done({Paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, Long: long,
				Answer: performance.getEntriesByType("navigation")[0].responseStart,
				Nodes: document.getElementsByTagName("*").length, Bytes: performance.getEntriesByType("navigation")[0].decodedBodySize}), 200));
		})`, &got)
	})
	t.Logf("%-9s first paint after %.0f ms, of which the server took %.0f; tasks above 50 ms: %.0f; CPU: %.1f ms until the first paint, %.1f in the longest task, %.1f in all; %.0f nodes, %.0f KiB",
		name, got.Paint, got.Answer, got.Long, worked.Paint, worked.Longest, worked.All, got.Nodes, got.Bytes/1024)
	if got.Nodes > 4000 || got.Bytes > 200<<10 {
		t.Errorf("%s has %.0f nodes and %.0f bytes", name, got.Nodes, got.Bytes)
	}
	if *strictTimes && (got.Paint > mostPaint || len(got.Long) > 0) {
		t.Errorf("%s is painted after %.0f ms, with tasks above 50 ms: %.0f", name, got.Paint, got.Long)
	}
	if worked.Paint == 0 {
		t.Errorf("the browser does not tell what of %s it painted first", name)
	}
	return max(worked.Paint/mostPaint, worked.Longest/mostTask, worked.All/mostView)
}

// measureFollowing looks at a view until it has been drawn anew a few times, and returns how many
// times longer its thread works than it may on a machine with time.
func measureFollowing(t *testing.T, browser *testbrowser.Browser, name, address string) float64 {
	t.Helper()
	tab := browser.Open(t, address, testbrowser.Settings{})
	defer tab.Close(t)
	tab.Until(t, `document.querySelector("#following").innerText == "following"`)
	tab.Eval(t, `
		var test = {Long: [], Times: 0, drawn: () => {}};
		new PerformanceObserver(l => test.Long.push(...l.getEntries().map(e => e.duration))).observe({type: "longtask"});
		new MutationObserver(() => { test.Times++; test.drawn(); }).observe(document.querySelector("#as-of"), {childList: true});
		0`, nil)
	var got struct {
		Long  []float64
		Times float64 // while it is watched
	}
	worked := tab.Watch(t, func() {
		tab.Eval(t, `test.Long = [], test.Times = 0`, nil)
		for range 2 {
			tab.Eval(t, `new Promise(done => {
				test.drawn = () => requestAnimationFrame(() => setTimeout(() => done(0), 200));
				setTimeout(() => done(0), 20000);
			})`, nil)
		}
		tab.Eval(t, `({Long: test.Long, Times: test.Times})`, &got)
	})
	if got.Times == 0 {
		return math.Inf(1) // it is tried again
	}
	t.Logf("%-9s drawn anew %.0f times: tasks above 50 ms: %.0f; CPU: %.1f ms in the longest task, %.1f each time",
		name, got.Times, got.Long, worked.Longest, worked.All/got.Times)
	if *strictTimes && len(got.Long) > 0 {
		t.Errorf("to follow %s has tasks above 50 ms: %.0f", name, got.Long)
	}
	return max(worked.Longest/mostTask, worked.All/got.Times/mostRedraw)
}

func useKeys(t *testing.T, browser *testbrowser.Browser, address string) {
	tab := browser.Open(t, address+"/status", testbrowser.Settings{})
	defer tab.Close(t)
	ready := func(path string) {
		t.Helper()
		tab.Until(t, `location.pathname + location.search == `+fmt.Sprintf("%q", path)+` && document.readyState == "complete" && document.querySelector("#tools button")`)
	}
	focused := func(of string) {
		t.Helper()
		tab.Until(t, `document.activeElement.innerText == `+fmt.Sprintf("%q", of))
	}
	tab.Press(t, "c")
	ready("/status/clusters")
	tab.Press(t, "/", "p", "r", "o", "d", "-", "0", "0", "4", "Enter")
	ready("/status/clusters?filter=prod-004&l=")
	var rows []string
	tab.Eval(t, `[...document.querySelectorAll("a[data-row]")].map(a => a.innerText)`, &rows)
	tab.Press(t, "j")
	focused(rows[0])
	tab.Press(t, "j", "j", "k")
	focused(rows[1])
	tab.Press(t, "k", "k", "k", "?")
	tab.Until(t, `document.querySelector("dialog").open`)
	tab.Press(t, "Escape")
	tab.Until(t, `!document.querySelector("dialog").open`)
	tab.Press(t, "j")
	focused(rows[1])
	tab.Press(t, "Enter")
	ready("/status/clusters/" + rows[1])
	tab.Eval(t, `document.querySelector("#state a[href*='?l=']").focus()`, nil) // as Tab does
	focused("example.com/tier=core")
	tab.Press(t, "Tab")
	focused("region=south")
	tab.Press(t, "Enter")
	ready("/status/clusters?l=region%3Dsouth")
	tab.Press(t, "o")
	ready("/status")
	// Who does not want them switches them off.
	tab.Press(t, "?")
	tab.Eval(t, `document.querySelector("dialog input").click()`, nil)
	tab.Press(t, "Escape", "c", "j")
	tab.Go(t, address+"/status/clusters?sort=name")
	tab.Press(t, "o", "j")
	tab.Eval(t, `localStorage.clear()`, nil)
	ready("/status/clusters?sort=name")
}

func followInBrowser(t *testing.T, browser *testbrowser.Browser, address string, broken *atomic.Bool) {
	tab := browser.Open(t, address+"/status/clusters/prod-00000", testbrowser.Settings{})
	defer tab.Close(t)
	table := browser.Open(t, address+"/status/clusters?sort=name&filter=prod-0000", testbrowser.Settings{})
	defer table.Close(t)
	table.Until(t, `document.querySelector("#tools button")`)
	table.Press(t, "j")
	tab.Until(t, `document.querySelector("#following").innerText == "following"`)
	broken.Store(true)
	defer broken.Store(false)
	tab.Until(t, `document.querySelector("#state").innerText.includes("broken by a test") && document.querySelector("#transitions").innerText.includes("broken by a test")`)
	table.Until(t, `document.querySelector("#rows").innerText.includes("broken by a test")`)
	table.Until(t, `document.activeElement.innerText == "prod-00000"`) // its row is another one by now
	// A follower can pause.
	table.Eval(t, `[...document.querySelectorAll("#tools button")].find(b => b.innerText == "Pause").click()`, nil)
	table.Until(t, `document.querySelector("#following").innerText == "not following"`)
	table.Eval(t, `localStorage.clear()`, nil)
	for _, problem := range append(tab.Problems(), table.Problems()...) {
		t.Errorf("the browser complains: %s", problem)
	}
}

// takePictures writes the pictures of docs/status-page.md.
func takePictures(t *testing.T, browser *testbrowser.Browser, address string) {
	for name, s := range map[string]struct {
		path string
		testbrowser.Settings
	}{
		"status-overview-light": {"/status", testbrowser.Settings{Width: 1100, Height: 1000}},
		"status-overview-dark":  {"/status", testbrowser.Settings{Width: 1100, Height: 1000, Dark: true}},
		"status-clusters":       {"/status/clusters?filter=is%3Athrottled&sort=-lag", testbrowser.Settings{Width: 1100, Height: 640}},
		"status-cluster":        {"/status/clusters/prod-00009", testbrowser.Settings{Width: 1100, Height: 1100}},
		"status-route":          {"/status/routes/" + url.PathEscape("http://alerts/in"), testbrowser.Settings{Width: 1100, Height: 800}},
		"status-object":         {"/status/object?cluster=prod-00009&resource=deployments.apps&namespace=shop&name=web", testbrowser.Settings{Width: 1100, Height: 1180}},
	} {
		tab := browser.Open(t, address+s.path, s.Settings)
		tab.Until(t, `document.querySelector("#tools button")`)
		tab.Picture(t, filepath.Join("../../../docs/img", name+".png"))
		tab.Close(t)
	}
	takeActingPicture(t, browser)
	if err := os.WriteFile(shown, []byte(looks(t)+"\n"), 0o644); err != nil {
		t.Error(err)
	}
}

// shown is a file beside the pictures: the digest of what the page looked like.
const shown = "../../../docs/img/status.sha256"

// looks is the digest of what gives the page its looks.
func looks(t *testing.T) string {
	sum := sha256.New()
	for _, pattern := range []string{"templates/*.html", "static/*.css"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s, %v", pattern, err)
		}
		for _, name := range names { // in order
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// TestPicturesAreOfThisPage: the pictures in docs/img were taken of these templates and this
// style.
func TestPicturesAreOfThisPage(t *testing.T) {
	text, err := os.ReadFile(shown)
	if err != nil || strings.TrimSpace(string(text)) != looks(t) {
		t.Errorf("the pictures of the status page are older than its templates or its style (%v): run make status-pictures, and look at them", err)
	}
}
