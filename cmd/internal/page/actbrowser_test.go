package page

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testbrowser"
)

// useButtons looks at the views with buttons as at the others, and uses them with the keyboard
// alone, with scripts and without.
func useButtons(t *testing.T, browser *testbrowser.Browser) {
	acting, _, o := actingPage(t)
	server := httptest.NewServer(acting)
	defer server.Close()
	dark, narrow, plain := testbrowser.Settings{Dark: true}, testbrowser.Settings{Width: 400, Height: 800}, testbrowser.Settings{NoScript: true}
	for path, settings := range map[string][]testbrowser.Settings{onCluster: {{}, dark, narrow, plain}, onRoute: {narrow}} {
		for _, s := range settings {
			t.Run(fmt.Sprintf("%s dark=%t width=%d script=%t", path, s.Dark, s.Width, !s.NoScript), func(t *testing.T) { showView(t, browser, server.URL+path, s) })
		}
	}
	for _, s := range []testbrowser.Settings{narrow, plain} {
		t.Run(fmt.Sprintf("script=%t", !s.NoScript), func(t *testing.T) { pauseByKeys(t, browser, server.URL, s, o) })
	}
	t.Run("followed", func(t *testing.T) { fillInWhileFollowed(t, browser) })
	t.Run("replay", func(t *testing.T) { replayByKeys(t, browser, server.URL, o) })
	for _, bad := range []string{hostile[1], hostile[len(hostile)-1]} { // markup, and markup without an end; page_test.go has all
		t.Run("hostile", func(t *testing.T) {
			o.set(Ordered{Code: http.StatusOK, Line: bad, Replay: &api.Replay{DryRun: true, Waiting: []api.Waiting{{Stream: bad, Reason: bad}}}})
			tab := browser.Open(t, server.URL+onCluster, narrow)
			defer tab.Close(t)
			press(t, tab, "replay-labels", "a", "Enter")
			tab.Until(t, `location.pathname == "/status/order" && document.readyState == "complete"`)
			var seen struct {
				Markup int
				Wide   float64
			}
			tab.Eval(t, `({Wide: document.documentElement.scrollWidth - innerWidth, Markup: document.querySelectorAll("img, script:not([src]), [onerror], [onmouseover], i, main h1 ~ h1").length})`, &seen)
			if seen.Markup > 0 || seen.Wide > 0 {
				t.Errorf("%.80q: %d elements are its, and the page is %v pixels too wide", bad, seen.Markup, seen.Wide)
			}
		})
	}
}

// press moves to a field and presses keys there.
func press(t *testing.T, tab *testbrowser.Tab, field string, keys ...string) {
	t.Helper()
	tab.Eval(t, fmt.Sprintf("document.getElementById(%q).focus()", field), nil)
	tab.Press(t, keys...)
}

// pauseByKeys pauses a cluster. What the browser says of where the form comes from is what the
// admin address goes by.
func pauseByKeys(t *testing.T, browser *testbrowser.Browser, address string, s testbrowser.Settings, o *ordered) {
	o.set(Ordered{Code: http.StatusOK, Line: "Paused for a test"})
	tab := browser.Open(t, address+onCluster, s)
	defer tab.Close(t)
	// Without a name the browser sends nothing.
	press(t, tab, "pause-for", "5", "m", "Enter")
	tab.Until(t, `document.activeElement.id == "pause-by"`)
	tab.Press(t, "a", "n", "n", "a", "Enter")
	tab.Until(t, `location.search.startsWith("?result=") && document.readyState == "complete"`)
	tab.Until(t, `document.querySelector(".result")?.innerText.endsWith(" Paused for a test")`)
	if diff := cmp.Diff([]string{"/pause?by=anna&cluster=prod-00005&for=5m&mode=hold"}, o.take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	tab.Call(t, "Page.reload", map[string]any{}, nil)
	tab.Until(t, `document.readyState == "complete" && document.querySelector(".result")`)
	if given := o.take(); given != nil {
		t.Errorf("to load the page again orders again: %q", given)
	}
	for _, problem := range tab.Problems() {
		t.Errorf("the browser complains: %s", problem)
	}
}

// fillInWhileFollowed has a form filled in, and a button focused, on a page that follows, while what
// the page shows changes. Neither is taken away, and both make room for what is new in the end.
func fillInWhileFollowed(t *testing.T, browser *testbrowser.Browser) {
	var paused atomic.Bool
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(5, now)
		if paused.Load() {
			s.Paused = []api.Pause{{Target: api.Target{Cluster: clusterName(2)}, Mode: api.PauseStop, Order: api.Order{By: "ben", Since: now}}}
		}
		return s
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	server := httptest.NewServer(p.Acting((&ordered{}).order))
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	}()
	for name, c := range map[string]struct{ begin, kept, end string }{
		"a button":   {`document.querySelector("#act button").focus()`, `document.activeElement.innerText == "Pause delivery"`, `document.activeElement.blur()`},
		"a name":     {`document.getElementById("pause-by").value = "anna"`, `document.getElementById("pause-by").value == "anna"`, `document.getElementById("pause-by").value = ""`},
		"a selected": {`document.getElementById("pause-mode").value = "stop"`, `document.getElementById("pause-mode").value == "stop"`, `document.getElementById("pause-mode").value = "hold"`},
	} {
		t.Run(name, func(t *testing.T) {
			paused.Store(false)
			tab := browser.Open(t, server.URL+"/status/clusters/"+clusterName(2), testbrowser.Settings{})
			defer tab.Close(t)
			tab.Until(t, `document.querySelector("#following").innerText == "following" && !document.querySelector("#state").innerText.includes("by ben")`)
			tab.Until(t, `!document.querySelector("#act").innerText.includes("Resume the cluster")`)
			tab.Eval(t, c.begin+"; 0", nil)
			paused.Store(true)
			tab.Until(t, `document.querySelector("#state").innerText.includes("by ben")`)
			var is struct{ Kept, New bool }
			tab.Eval(t, `({Kept: `+c.kept+`, New: document.querySelector("#act").innerText.includes("Resume the cluster")})`, &is)
			if !is.Kept || is.New {
				t.Errorf("it is kept: %v; the section is new: %v", is.Kept, is.New)
			}
			tab.Eval(t, c.end+"; 0", nil)
			tab.Until(t, `document.querySelector("#act").innerText.includes("Resume the cluster")`)
		})
	}
}

// replayByKeys has a replay counted, looks at the question, and has it done.
func replayByKeys(t *testing.T, browser *testbrowser.Browser, address string, o *ordered) {
	o.set(Ordered{Code: http.StatusOK, Line: "This would deliver 3 objects again", Replay: &api.Replay{DryRun: true, Objects: new(3)}})
	tab := browser.Open(t, address+onCluster, testbrowser.Settings{})
	defer tab.Close(t)
	press(t, tab, "replay-labels", "a", "=", "b", "Enter")
	tab.Until(t, `location.pathname == "/status/order" && document.readyState == "complete"`)
	findViolations(t, tab)
	o.set(Ordered{Code: http.StatusOK, Line: "Delivering them"})
	tab.Eval(t, `document.querySelector("main button").focus()`, nil)
	tab.Press(t, "Enter")
	tab.Until(t, `location.search.startsWith("?result=") && document.readyState == "complete"`)
	tab.Until(t, `document.querySelector(".result")?.innerText.endsWith(" Delivering them")`)
	query := url.Values{"cluster": {"prod-00005"}, "labels": {"a=b"}}.Encode()
	if diff := cmp.Diff([]string{"/replay?" + strings.Replace(query, "&", "&dryRun=true&", 1), "/replay?" + query}, o.take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What is refused is shown as well as the others are.
	o.set(Ordered{Code: http.StatusConflict, Line: "there are 512 already", Known: []string{"one"}})
	press(t, tab, "pause-by", "b", "Enter")
	tab.Until(t, `location.pathname == "/status/order" && document.querySelector("[role=alert]")?.innerText.includes("512")`)
	findViolations(t, tab)
}

// takeActingPicture writes the picture of the buttons of a cluster's page.
func takeActingPicture(t *testing.T, browser *testbrowser.Browser) {
	acting, _, _ := actingPage(t)
	server := httptest.NewServer(acting)
	defer server.Close()
	tab := browser.Open(t, server.URL+onCluster, testbrowser.Settings{Width: 1100, Height: 560})
	defer tab.Close(t)
	tab.Until(t, `document.querySelector("#tools button")`)
	tab.Eval(t, `document.getElementById("act").scrollIntoView()`, nil)
	tab.Picture(t, filepath.Join("../../../docs/img", "status-orders.png"))
}
