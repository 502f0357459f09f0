package etcd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/etcd"
)

// gateway answers every request in one way, but for authentication.
type gateway struct {
	*httptest.Server
	status   int
	answer   atomic.Pointer[string]
	requests atomic.Int64
}

func newGateway(t testing.TB, status int, answer string) *gateway {
	t.Helper()
	g := &gateway{status: status}
	g.answer.Store(&answer)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v3/auth/authenticate" {
			_, _ = io.WriteString(w, `{"token":"t0ken-of-the-session"}`)
			return
		}
		g.requests.Add(1)
		// A server can send back what it was sent.
		answer := strings.NewReplacer("AUTHORIZATION", r.Header.Get("Authorization"), "BODY", string(text)).Replace(*g.answer.Load())
		if g.status == 0 { // all of the answer, with its status and header
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
			return
		}
		w.WriteHeader(g.status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(g.Close)
	return g
}

// lock has a user, so that there are credentials to be shown.
func (g *gateway) lock(t testing.TB) *locks.Lock {
	return open(t, etcd.Options{Endpoints: []string{g.URL}, Key: "k", Identity: "a", User: user, PasswordFile: file(t, password)})
}

// TestNoAnswerIsTakenForAnOutcome: whatever is at that address.
func TestNoAnswerIsTakenForAnOutcome(t *testing.T) {
	value := `{"holder":"b","leaseDurationSeconds":15,"acquired":"2026-01-01T00:00:00.000000Z","renewed":"2026-01-01T00:00:00.000000Z","transitions":0,"writes":1}`
	kv := func(key string, revision int) string {
		text, err := json.Marshal(map[string]any{
			"header": map[string]string{"cluster_id": "7", "revision": "9"},
			"kvs":    []any{map[string]any{"key": []byte(key), "mod_revision": fmt.Sprint(revision), "value": []byte(value)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for name, tc := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"no JSON":             {200, "<html>", "something else"},
		"nothing":             {200, "", "something else"},
		"no header":           {200, "{}", "something else"},
		"another's JSON":      {200, `{"kvs":[],"header":{}}`, "something else"},
		"another key":         {200, kv("other", 5), "something else"},
		"of the future":       {200, kv("k", 10), "something else"},
		"no revision":         {200, kv("k", 0), "something else"},
		"more than it may be": {200, strings.Repeat(" ", 70<<10), "more than"},
		"moved":               {302, "", "status 302"},
		"not found":           {404, "404 page not found", "no JSON gateway"},
		"not modified":        {409, "conflict", "status 409"},
		"precondition":        {412, "", "status 412"},
		"a page":              {503, "<html>\n" + strings.Repeat("x", 60<<10), "status 503"},
		"denied":              {403, `{"code":7,"message":"etcdserver: permission denied"}`, "grant the user's role"},
		"learner":             {400, `{"code":9,"message":"etcdserver: rpc not supported for learner"}`, "voting members"},
		"no space":            {429, `{"code":8,"message":"etcdserver: mvcc: database space exceeded"}`, "disarm its alarm"},
		"no leader":           {503, `{"code":14,"message":"etcdserver: no leader"}`, "majority"},
		"already exists":      {409, `{"code":6,"message":"already exists"}`, "already exists"},
		"not found code":      {404, `{"code":5,"message":"not found"}`, "not found"},
		"it says all":         {500, `{"code":2,"message":"AUTHORIZATION of pa55word-of-the-lock"}`, "[redacted]"},
		"it says all as text": {500, "AUTHORIZATION", "[redacted]"},
		"it says all above":   {0, "HTTP/1.1 200 OK\r\nAUTHORIZATION\r\n\r\n", "[redacted]"},
		"a long header":       {0, "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 30<<10) + "\r\n\r\n", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newGateway(t, tc.status, tc.answer).lock(t)
			_, _, read := l.Get(t.Context())
			made := l.Create(t.Context(), record())
			for what, err := range map[string]error{"Get": read, "Create": made} {
				if what == "Create" && strings.Contains(tc.answer, "kvs") && tc.status == 200 && strings.Contains(tc.answer, "revision") {
					continue // of a transaction it says that the key has changed
				}
				if err == nil || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: %v, want another error with %q", what, err, tc.want)
				}
				if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "t0ken") || len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%s: the error shows a credential, or is too long: %v", what, err)
				}
			}
		})
	}
}

// TestATokenIsRenewedOnce: also where each is refused.
func TestATokenIsRenewedOnce(t *testing.T) {
	g := newGateway(t, 401, `{"code":16,"message":"etcdserver: invalid auth token"}`)
	l := g.lock(t)
	for range 2 {
		before := g.requests.Load()
		if _, _, err := l.Get(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid auth token") {
			t.Error(err)
		}
		if n := g.requests.Load() - before; n > 2 {
			t.Errorf("%d requests for one Get", n)
		}
	}
}

// TestAnotherCluster: what was seen in one cluster says nothing of another, and one
// that forgets says nothing at all.
func TestAnotherCluster(t *testing.T) {
	answer := func(cluster, revision string) string {
		return `{"succeeded":true,"header":{"cluster_id":"` + cluster + `","revision":"` + revision + `"}}`
	}
	g := newGateway(t, 200, answer("7", "9"))
	l := g.lock(t)
	create(t, l)
	for _, tc := range []struct{ answer, want string }{
		{answer("8", "20"), "members of one cluster"}, {answer("7", "8"), "restored from a snapshot"},
	} {
		g.answer.Store(&tc.answer)
		if err := l.Update(t.Context(), record()); err == nil || apierrors.IsConflict(err) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Update: %v, want an error with %q", err, tc.want)
		}
		if _, _, err := l.Get(t.Context()); err == nil || apierrors.IsNotFound(err) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Get: %v, want an error with %q", err, tc.want)
		}
		again := answer("7", "10")
		g.answer.Store(&again)
		create(t, l)
	}
}

func TestNewRefuses(t *testing.T) {
	good := etcd.Options{Endpoints: []string{"http://h"}, Key: "k", Identity: "a"}
	for name, change := range map[string]func(*etcd.Options){
		"no endpoint":     func(o *etcd.Options) { o.Endpoints = nil },
		"no key":          func(o *etcd.Options) { o.Key = "" },
		"a long key":      func(o *etcd.Options) { o.Key = strings.Repeat("k", 513) },
		"a key of bytes":  func(o *etcd.Options) { o.Key = "\xff" },
		"nobody":          func(o *etcd.Options) { o.Identity = "" },
		"no password":     func(o *etcd.Options) { o.User = "u" },
		"no user":         func(o *etcd.Options) { o.PasswordFile = "/p" },
		"no file":         func(o *etcd.Options) { o.User, o.PasswordFile = "u", "/nowhere/p" },
		"TLS without TLS": func(o *etcd.Options) { o.ServerName = "h" },
		"cert alone":      func(o *etcd.Options) { o.Endpoints, o.CertFile = []string{"https://h"}, "/c" },
	} {
		o := good
		change(&o)
		if _, err := etcd.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := etcd.New(good); err != nil {
		t.Error(err)
	}
}
