package apiclient

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const two = `{"apiVersion":"v1","kind":"Config","current-context":"b",
	"clusters":[{"name":"a","cluster":{"server":"https://a.example"}},{"name":"b","cluster":{"server":"https://b.example"}}],
	"users":[{"name":"u","user":{"token":"canary"}}],
	"contexts":[{"name":"a","context":{"cluster":"a","user":"u"}},{"name":"b","context":{"cluster":"b","user":"u"}},{"name":"c","context":{"cluster":"none","user":"u"}}]}`

func TestContext(t *testing.T) {
	for _, tc := range []struct{ text, context, host, says string }{
		{two, "a", "https://a.example", ""},
		{two, "", "https://b.example", ""},
		{two, "none", "", "has no context"},
		{two, "c", "", "cannot be used"},
		{strings.Replace(two, `"current-context":"b",`, "", 1), "", "", "no current context"},
		{"{canary", "a", "", "cannot be read"},
		{"", "a", "", "does not exist"},
	} {
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if tc.text != "" {
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		config, err := Context(path, tc.context)
		switch {
		case tc.says == "" && (err != nil || config.Host != tc.host || config.BearerToken != "canary"):
			t.Errorf("context %q: %v, %v", tc.context, config, err)
		case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary")):
			t.Errorf("context %q: %v, want %q", tc.context, err, tc.says)
		}
	}
}

// A client follows no redirect, and closes what is not used any more.
func TestClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	secrets := redact.New()
	c, err := New(&rest.Config{Host: server.URL, BearerToken: "canary-token"}, Options{Timeout: 1e10, Connections: 1, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	response, err := c.HTTP.Get(c.Base.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusFound {
		t.Errorf("%s, %v", response.Status, err)
	}
	if shown := secrets.Clean("it says canary-token"); strings.Contains(shown, "canary") {
		t.Errorf("the token that was sent is shown: %s", shown)
	}
	for _, host := range []string{"https://me:canary@a.example", "://"} {
		if _, err := New(&rest.Config{Host: host}, Options{Secrets: secrets}); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
