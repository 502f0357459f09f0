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
