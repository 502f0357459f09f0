package ctl

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/user"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"
)

// TestWhoAsks: the hub's name for whoever asks goes before that of the operating system, and
// is made such that a program takes it.
func TestWhoAsks(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct{ name, want string }{
		"the hub tells":    {"alice@corp", "alice@corp (hub)"},
		"it does not tell": {"", me.Username},
		"a long name":      {strings.Repeat("é", 150), strings.Repeat("é", 97) + " (hub)"},
		"of any bytes":     {"a\x1b[2J\nb", "a [2J b (hub)"},
	} {
		t.Run(what, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.name == "" {
					http.NotFound(w, nil)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{
					UserInfo: authenticationv1.UserInfo{Username: test.name},
				}})
			}))
			defer server.Close()
			h := hubFlags{namespace: "fairlead", pod: "any", port: defaultPort}
			at, err := h.openBy(t.Context(), &rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			q := url.Values{}
			c := Client{opened: at}
			c.addBy(t.Context(), q)
			if got := q.Get("by"); got != test.want {
				t.Errorf("it is %q, not %q", got, test.want)
			}
		})
	}
}
