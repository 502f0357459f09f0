package ctl

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// A program that is older than the command says so by not knowing what it is asked for.
func TestAnOlderProgram(t *testing.T) {
	const version = `{"version":"v0.9.0\u001b[2J","go":"go1.26"}`
	for name, test := range map[string]struct {
		version string // what /version answers; empty: nothing
		knows   string // the pattern of what it knows
		says    string
	}{
		"it does not know the page":   {version, "/other", "this program (version v0.9.0 [2J) does not know POST /check, which this command needs; upgrade"},
		"it does not know the method": {version, "GET /check", "this program (version v0.9.0 [2J) does not know POST /check"},
		"it is another address":       {version, "GET /clusters", "is fairlead run, but not its --admin-bind-address, where commands go; name that with --admin"},
		"it is no program":            {"", "/other", "is not the admin address of fairlead run"},
		"it is another program":       {"{}", "/other", "is not the admin address of fairlead run"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc(test.knows, func(http.ResponseWriter, *http.Request) {})
			if strings.Contains(test.says, "version") {
				mux.HandleFunc("GET /flags", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
			}
			if test.version != "" {
				mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.version) })
			}
			server := httptest.NewServer(mux)
			defer server.Close()
			c := &Client{Address: server.URL}
			err := c.Post(t.Context(), io.Discard, "/check", nil, 0, new(api.Check), http.StatusOK)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
			body, err := c.Begin(t.Context(), io.Discard, "/check", nil)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("to begin: %v, %v, want %q", body, err, test.says)
			}
		})
	}
}
