package testbrowser

import (
	"encoding/base64"
	"os"
	"testing"
	"time"
)

// Tab is one page that is open.
type Tab struct {
	browser *Browser
	session string
}

// Settings are how a tab looks.
type Settings struct {
	Width, Height int  // of what is seen, in CSS pixels; zero: 1280 and 800
	Dark          bool // the user prefers dark colours
	NoScript      bool // JavaScript is off
}

// Open opens a tab of an address and waits until the page and its style have been loaded.
func (b *Browser) Open(t testing.TB, url string, s Settings) *Tab {
	t.Helper()
	var target struct {
		ID string `json:"targetId"`
	}
	b.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.call(t, "", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	tab := &Tab{b, attached.Session}
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		tab.Call(t, domain+".enable", map[string]any{}, nil)
	}
	if s.Width == 0 {
		s.Width, s.Height = 1280, 800
	}
	tab.Call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": s.Width, "height": s.Height, "deviceScaleFactor": 1, "mobile": false}, nil)
	scheme := "light"
	if s.Dark {
		scheme = "dark"
	}
	tab.Call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	tab.Call(t, "Emulation.setScriptExecutionDisabled", map[string]any{"value": s.NoScript}, nil)
	tab.Go(t, url)
	return tab
}

// Go opens another address in the tab.
func (tab *Tab) Go(t testing.TB, url string) {
	t.Helper()
	var answer struct {
		Error string `json:"errorText"`
	}
	tab.Call(t, "Page.navigate", map[string]any{"url": url}, &answer)
	if answer.Error != "" {
		t.Fatalf("open %s: %s", url, answer.Error)
	}
	tab.Until(t, "location.href != 'about:blank' && document.readyState == 'complete'")
}

// Call calls a method of the DevTools protocol.
func (tab *Tab) Call(t testing.TB, method string, params, result any) {
	t.Helper()
	tab.browser.call(t, tab.session, method, params, result)
}

// Eval evaluates an expression in the page, also one that is a promise, and reads its value
// into result, which may be nil. It works without JavaScript in the page, too.
func (tab *Tab) Eval(t testing.TB, expression string, result any) {
	t.Helper()
	if refused := tab.eval(t, expression, result); refused != "" {
		t.Fatalf("%.200s: the browser says %s", expression, refused)
	}
}

// eval is Eval that returns what the browser says if it cannot evaluate at all, such as in a
// page that it leaves at that moment.
func (tab *Tab) eval(t testing.TB, expression string, result any) (refused string) {
	t.Helper()
	answer := struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}{}
	answer.Result.Value = result
	params := map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}
	refused = tab.browser.ask(t, tab.session, "Runtime.evaluate", params, &answer)
	if answer.Exception != nil {
		t.Fatalf("%.200s: %s %s", expression, answer.Exception.Text, answer.Exception.Exception.Description)
	}
	return refused
}

// Until waits until an expression is true, in the page of now or in the one that comes.
func (tab *Tab) Until(t testing.TB, expression string) {
	t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var holds bool
		refused := tab.eval(t, "!!("+expression+")", &holds)
		if holds {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%s is not true after %v %s", expression, patience, refused)
		case <-tick.C:
		}
	}
}

// keys are those that have another name than their text.
var keys = map[string]struct {
	code int
	text string
}{"Enter": {13, "\r"}, "Escape": {27, ""}, "Tab": {9, ""}}

// Press presses keys one after the other: characters, or names such as Enter.
func (tab *Tab) Press(t testing.TB, pressed ...string) {
	t.Helper()
	for _, key := range pressed {
		text := key
		code := 0
		if named, ok := keys[key]; ok {
			text, code = named.text, named.code
		}
		params := map[string]any{"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code}
		tab.Call(t, "Input.dispatchKeyEvent", params, nil)
		tab.Call(t, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}, nil)
	}
}

// Picture writes what is seen to a file, as PNG.
func (tab *Tab) Picture(t testing.TB, path string) {
	t.Helper()
	var picture struct {
		Data string `json:"data"`
	}
	tab.Call(t, "Page.captureScreenshot", map[string]any{"format": "png", "optimizeForSpeed": false}, &picture)
	content, err := base64.StdEncoding.DecodeString(picture.Data)
	if err == nil {
		err = os.WriteFile(path, content, 0o644) //nolint:gosec // For everybody to see.
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Problems are what the page has written to its console as an error or a warning, and what
// went wrong in it, such as what its policy has kept from it.
func (tab *Tab) Problems() []string { return tab.browser.problems(tab.session) }

// Close closes the tab.
func (tab *Tab) Close(t testing.TB) {
	t.Helper()
	tab.Call(t, "Page.close", map[string]any{}, nil)
}
