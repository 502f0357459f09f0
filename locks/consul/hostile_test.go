package consul_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-dev/fairlead/locks/consul"
)

const secret = "t0ken-of-the-file"

// TestNoAnswerIsTakenForAnOutcome: whatever is at that address. Of all that may stand in
// the way of a transaction, only the index is a conflict.
func TestNoAnswerIsTakenForAnOutcome(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		answer string
		want   string // of Create
	}{
		"no JSON":           {200, "<html>", "something else"},
		"nothing":           {200, "", "something else"},
		"null":              {200, "null", "something else"},
		"no result":         {200, `{"Results":[],"Errors":null}`, "something else"},
		"another key":       {200, `{"Results":[{"KV":{"Key":"other","ModifyIndex":7}}]}`, "something else"},
		"no index":          {200, `{"Results":[{"KV":{"Key":"k"}}]}`, "something else"},
		"both":              {200, `{"Results":[{"KV":{"Key":"k","ModifyIndex":7}}],"Errors":[{}]}`, "something else"},
		"large":             {200, strings.Repeat(" ", 70<<10), "more than"},
		"moved":             {301, "", "status 301"},
		"not found":         {404, "404 page not found", "status 404"},
		"a conflict":        {409, "conflict", "status 409: conflict"},
		"no reason":         {409, `{"Errors":[]}`, "status 409"},
		"another reason":    {409, `{"Errors":[{"OpIndex":0,"What":"lock is already held"}]}`, "already held"},
		"denied":            {409, `{"Errors":[{"OpIndex":0,"What":"Permission denied"}]}`, "give the token a policy"},
		"of another step":   {409, `{"Errors":[{"OpIndex":1,"What":"failed to set key \"k\", index is stale"}]}`, "index is stale"},
		"of several":        {409, `{"Errors":[{"OpIndex":0,"What":"failed to set key \"k\", index is stale"},{"OpIndex":0,"What":"x"}]}`, "index is stale"},
		"not of a conflict": {500, `{"Errors":[{"OpIndex":0,"What":"failed to set key \"k\", index is stale"}]}`, "status 500"},
		"no leader":         {500, "No cluster leader", "majority"},
		"a page":            {503, "<html>\n" + strings.Repeat("x", 60<<10), "status 503"},
		"it says all":       {500, "TOKEN", "[redacted]"},
		"it says all above": {0, "HTTP/1.1 200 OK\r\nTOKEN\r\n\r\n", "[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := strings.ReplaceAll(tc.answer, "TOKEN", r.Header.Get("X-Consul-Token"))
				if tc.status == 0 { // all of the answer, with its status and header
					if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
						_, _ = io.WriteString(conn, answer)
						_ = conn.Close()
					}
					return
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, answer)
			}))
			t.Cleanup(server.Close)
			l := open(t, consul.Options{Endpoints: []string{server.URL}, Key: "k", Identity: "a", TokenFile: file(t, secret)})
			_, _, read := l.Get(t.Context())
			made := l.Create(t.Context(), record())
			if made == nil || !strings.Contains(made.Error(), tc.want) {
				t.Errorf("Create: %v, want an error with %q", made, tc.want)
			}
			for what, err := range map[string]error{"Get": read, "Create": made} {
				if err == nil || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
					t.Errorf("%s: %v, want another error", what, err)
				}
				if err != nil && (strings.Contains(err.Error(), secret) || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%s: the error shows a credential, or is too long: %v", what, err)
				}
			}
		})
	}
}

// TestWhatIsAsked: of which store, and so that a proxy on the way keeps the key.
func TestWhatIsAsked(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("X-Consul-Token")+" "+string(body))
		if r.Method == http.MethodGet {
			w.Header().Set("X-Consul-Index", "5")
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"Results":null,"Errors":[{"OpIndex":0,"What":"failed to set key \"a b/?c\", index is stale"}]}`)
	}))
	t.Cleanup(server.Close)
	o := consul.Options{
		Endpoints: []string{server.URL}, Key: "a b/?c", Identity: "a", TokenFile: file(t, secret), Datacenter: "dc-1", Namespace: "ns", Partition: "p",
	}
	l := open(t, o)
	if _, _, err := l.Get(t.Context()); !apierrors.IsNotFound(err) {
		t.Errorf("Get: %v, want NotFound", err)
	}
	write(t, o.TokenFile, "another")
	if err := l.Create(t.Context(), record()); !apierrors.IsAlreadyExists(err) {
		t.Errorf("Create: %v, want AlreadyExists", err)
	}
	for i, want := range []string{
		"GET /v1/kv/a%20b/%3Fc?consistent&dc=dc-1&ns=ns&partition=p " + secret + " ",
		`PUT /v1/txn?dc=dc-1&ns=ns&partition=p another [{"KV":{"Verb":"cas","Key":"a b/?c","Value":"`,
	} {
		if len(asked) <= i || !strings.HasPrefix(asked[i], want) {
			t.Errorf("request %d: %q, want %q", i, asked, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := consul.Options{Endpoints: []string{"http://h"}, Key: "k", Identity: "a"}
	for name, change := range map[string]func(*consul.Options){
		"no endpoint":     func(o *consul.Options) { o.Endpoints = nil },
		"no key":          func(o *consul.Options) { o.Key = "" },
		"a long key":      func(o *consul.Options) { o.Key = strings.Repeat("k", 513) },
		"a key of bytes":  func(o *consul.Options) { o.Key = "\xff" },
		"a slash first":   func(o *consul.Options) { o.Key = "/k" },
		"two dots":        func(o *consul.Options) { o.Key = "a/../k" },
		"nobody":          func(o *consul.Options) { o.Identity = "" },
		"no file":         func(o *consul.Options) { o.TokenFile = "/nowhere/t" },
		"TLS without TLS": func(o *consul.Options) { o.ServerName = "h" },
		"cert alone":      func(o *consul.Options) { o.Endpoints, o.CertFile = []string{"https://h"}, "/c" },
	} {
		o := good
		change(&o)
		if _, err := consul.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := consul.New(good); err != nil {
		t.Error(err)
	}
}
