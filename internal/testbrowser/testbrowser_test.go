package testbrowser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBrowser(t *testing.T) {
	b := Start(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "script-src 'self'")
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<input id=a autofocus><script>1</script><p>` + r.URL.Path))
	}))
	defer server.Close()
	tab := b.Open(t, server.URL+"/first", Settings{Dark: true, Width: 400, Height: 300})
	tab.Until(t, "document.activeElement.id == 'a'")
	tab.Press(t, "x", "y")
	var got []any
	tab.Eval(t, "Promise.resolve([document.body.innerText.trim(), a.value, matchMedia('(prefers-color-scheme: dark)').matches, innerWidth])", &got)
	if len(got) != 4 || got[0] != "/first" || got[1] != "xy" || got[2] != true || got[3] != 400. {
		t.Errorf("got %v", got)
	}
	if problems := tab.Problems(); len(problems) == 0 || !strings.Contains(problems[0], "Content Security Policy") {
		t.Errorf("the policy has kept nothing from the page: %q", problems)
	}
	path := filepath.Join(t.TempDir(), "picture.png")
	tab.Picture(t, path)
	if content, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(content), "\x89PNG") {
		t.Errorf("no picture: %v", err)
	}
	tab.Go(t, server.URL+"/second")
	tab.Until(t, "document.body.innerText.trim() == '/second'")
	tab.Close(t)
}

// TestWork: a task that works long is told, and whether that was before the first paint.
func TestWork(t *testing.T) {
	b := Start(t)
	const toil = `let n = 0; for (let i = 0; i < 3e8; i++) n += i % 7;` // at no rate that there is within 50 ms
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		text := map[string]string{"/": `<p>text`, "/before": `<script>` + toil + `</script><p>text`, "/after": `<p>text<script>function work() {` + toil + `}</script>`}[r.URL.Path]
		_, _ = w.Write([]byte(`<!doctype html>` + text))
	}))
	defer server.Close()
	tab := b.Open(t, server.URL+"/", Settings{})
	defer tab.Close(t)
	show := func(path, work string) Work {
		return tab.Watch(t, func() {
			tab.Go(t, server.URL+path)
			tab.Until(t, `performance.getEntriesByName("first-contentful-paint").length > 0`)
			tab.Eval(t, `new Promise(done => setTimeout(() => { `+work+`; done(0); }, 0))`, nil)
		})
	}
	quiet, before, after := show("/", ""), show("/before", ""), show("/after", "work()")
	t.Logf("quiet %+v, before its paint %+v, after it %+v", quiet, before, after)
	if quiet.Paint == 0 || quiet.Longest > quiet.All || quiet.Paint > quiet.All || quiet.Longest >= min(before.Longest, after.Longest)/2 {
		t.Errorf("a page that does nothing: %+v", quiet)
	}
	if before.Longest < 50 || before.Paint < before.Longest {
		t.Errorf("a page that works before it is painted: %+v", before)
	}
	if after.Longest < 50 || after.Paint > after.All-after.Longest {
		t.Errorf("a page that works once it is painted: %+v", after)
	}
	if again := tab.Watch(t, func() { tab.Eval(t, "work()", nil) }); again.Longest < 50 || again.Paint != 0 {
		t.Errorf("a page that works without a navigation: %+v", again)
	}
}
