package connection

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// hostile returns a session with a member that is honest so far.
func hostile(t *testing.T) (*testenv.Hostile, *member.Session, *Connection) {
	t.Helper()
	h := testenv.StartHostile(t, "liar")
	c := newConnection(t, Options{REST: h.Config(), Config: Config{MaxAnswer: 8 << 20, ReconnectMax: time.Second}})
	t.Cleanup(running(t, c))
	return h, acquire(t, c), c
}

func discoverer1(s *member.Session) discovery.DiscoveryInterfaceWithContext {
	return discovery.ToDiscoveryInterfaceWithContext(s.Discovery)
}

// ownClient sends a request as a client does that a user brings.
func ownClient(t *testing.T, s *member.Session, transport http.RoundTripper, path string) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(s.Server.String(), "/")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// TestEveryAnswerIsBounded: whatever a member can be asked, its answer may not
// become larger than it may, neither as it is sent nor unpacked nor decoded.
func TestEveryAnswerIsBounded(t *testing.T) {
	calls := map[string]func(t *testing.T, s *member.Session) error{
		"one document": func(t *testing.T, s *member.Session) error {
			_, err := discoverer1(s).ServerResourcesForGroupVersionWithContext(t.Context(), "v1")
			return err
		},
		"all documents": func(t *testing.T, s *member.Session) error {
			_, _, err := discoverer1(s).ServerGroupsAndResourcesWithContext(t.Context())
			return err
		},
		"without a ctx": func(_ *testing.T, s *member.Session) error {
			_, err := s.Discovery.ServerGroups()
			return err
		},
		"a list of a cache": func(t *testing.T, s *member.Session) error {
			_, err := ownClient(t, s, s.CallTransport, "/api/v1/configmaps")
			return err
		},
		"a watch of a cache": func(t *testing.T, s *member.Session) error {
			_, err := ownClient(t, s, s.WatchTransport, "/api/v1/configmaps?watch=true")
			return err
		},
	}
	h, s, _ := hostile(t)
	for kind, lie := range map[string]testenv.Lie{
		"resources":       testenv.GzipBomb(200, `{"resources":[`, "{},"),
		"nothing but air": testenv.GzipBomb(200, ``, " "),
		"names of one":    testenv.Endless(200, `{"resources":[{"categories":[`, `"",`),
		"nested objects":  testenv.Endless(200, ``, `{"a":`),
	} {
		h.Honest()
		h.Lie(testenv.Discovery, lie)
		h.Lie(testenv.Lists, lie)
		h.Lie(testenv.Watches, lie)
		for name, call := range calls {
			t.Run(name+", "+kind, func(t *testing.T) {
				if err := call(t, s); !tooMuch(err) {
					t.Errorf("got %.200v, want that it is too much", err)
				} else if result, doubtful := classify(err); result != resultInvalid || doubtful {
					t.Errorf("%s, %t", result, doubtful)
				}
			})
		}
	}
}

func TestProbesAreBounded(t *testing.T) {
	for name, lie := range map[string]testenv.Lie{
		"endless":        testenv.Endless(200, `{"metadata":{"managedFields":[`, "{},"),
		"unpacked":       testenv.GzipBomb(200, `{"gitVersion":"`, "xxxx"),
		"endless error":  testenv.Endless(500, `{"details":{"causes":[`, "{},"),
		"unpacked error": testenv.GzipBomb(403, "", " "),
	} {
		t.Run(name, func(t *testing.T) {
			h := testenv.StartHostile(t, "liar")
			h.Lie(testenv.Everything, lie)
			c := newConnection(t, Options{REST: h.Config()})
			t.Cleanup(running(t, c))
			eventually(t, "it backs off", func() bool { return c.Status().State == member.BackingOff })
			if got := c.Status(); !strings.Contains(got.LastError, "KiB that it may take in memory") {
				t.Errorf("status %+v", got)
			}
			h.Honest()
			acquire(t, c)
		})
	}
}

// TestManyAPIVersions: a thousand of them are asked for at once, no more.
func TestManyAPIVersions(t *testing.T) {
	h, s, _ := hostile(t)
	var asked atomic.Int64
	h.Lie(testenv.Path("/apis/"), testenv.Count(&asked))
	h.Lie(func(r *http.Request) bool { return r.URL.Path == "/apis" }, testenv.Answer(200, "application/json",
		`{"kind":"APIGroupList","groups":[{"name":"a","versions":[`+strings.Repeat(`{"groupVersion":"a/v1","version":"v1"},`, 1500)+`{}]}]}`))
	if _, _, err := discoverer1(s).ServerGroupsAndResourcesWithContext(t.Context()); !tooMuch(err) {
		t.Errorf("got %v, want that it is too much", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d documents were asked for", n)
	}
}

// TestDiscoveryDoesNotSleep: a server that wants to be left alone is, and whoever
// asks is told, at once.
func TestDiscoveryDoesNotSleep(t *testing.T) {
	h, s, _ := hostile(t)
	var asked atomic.Int64
	h.Lie(testenv.Path("/apis/"), testenv.Throttle(1e9))
	_, _, err := discoverer1(s).ServerGroupsAndResourcesWithContext(t.Context())
	if seconds, ok := apierrors.SuggestsClientDelay(err); !apierrors.IsTooManyRequests(err) || !ok || seconds != 300 {
		t.Errorf("a document: %v, %d", err, seconds)
	}
	h.Lie(testenv.Everything, testenv.Throttle(1e9))
	h.Lie(testenv.Everything, testenv.Count(&asked))
	if _, err := discoverer1(s).ServerResourcesForGroupVersionWithContext(t.Context(), "v1"); !apierrors.IsTooManyRequests(err) {
		t.Errorf("got %v, want too many requests", err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestNobodySleepsForLong: client-go sleeps for as long as the head of an answer says,
// so that says no more than a server may ask for.
func TestNobodySleepsForLong(t *testing.T) {
	h, s, _ := hostile(t)
	for asked, want := range map[int64]string{7: "7", 1e9: "300", -5: ""} {
		stop := h.Lie(testenv.Path("/api/v1/configmaps"), testenv.Throttle(asked))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(s.Server.String(), "/")+"/api/v1/configmaps", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.CallTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Retry-After"); got != want {
			t.Errorf("a server that asks for %d s: %q, want %q", asked, got, want)
		}
		_ = resp.Body.Close()
		stop()
	}
}

// TestWhatStandsInFront of an API server does not speak for it.
func TestWhatStandsInFront(t *testing.T) {
	text := func(code int, header ...string) testenv.Lie {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				for _, h := range header {
					w.Header().Set(h, "x")
				}
				w.WriteHeader(code)
				_, _ = io.WriteString(w, "404 page not found\n")
			})
		}
	}
	for name, tt := range map[string]struct {
		lie  testenv.Lie
		code int // what it is taken for
	}{
		"a login page":                  {testenv.HTML(200), 503},
		"not found":                     {testenv.HTML(404), 503},
		"forbidden":                     {testenv.HTML(403), 503},
		"gone":                          {testenv.HTML(410), 503},
		"bad request":                   {testenv.HTML(400), 503},
		"bad gateway":                   {testenv.HTML(502), 502},
		"unauthorized":                  {testenv.HTML(401), 401},
		"too many requests":             {testenv.HTML(429), 429},
		"a line of text":                {text(404), 503},
		"nothing":                       {testenv.Answer(404, "", ""), 503},
		"JSON of something else":        {testenv.Answer(404, "application/json", `{"error":"no such route"}`), 503},
		"protobuf that nobody asked":    {testenv.Answer(200, "application/vnd.kubernetes.protobuf", "k8s\x00"), 503},
		"a line of an API server":       {text(404, "Audit-Id"), 404},
		"a Status object":               {testenv.Refuse(404, "NotFound", "no"), 404},
		"a Status object that forbids":  {testenv.Refuse(403, "Forbidden", "no"), 403},
		"a Status object of expiration": {testenv.Refuse(410, "Expired", "no"), 410},
	} {
		t.Run(name, func(t *testing.T) {
			h, s, _ := hostile(t)
			h.Lie(testenv.Path("/api/v1/configmaps"), tt.lie)
			for _, client := range []string{"calls", "watches"} {
				r := s.Calls.Get()
				if client == "watches" {
					r = s.Watches.Get().Param("watch", "true")
				}
				body, err := r.AbsPath("/api/v1/configmaps").MaxRetries(0).Stream(t.Context())
				if err == nil {
					_ = body.Close()
				}
				if apistatus.Of(err).Code != tt.code {
					t.Errorf("%s: %v, want %d", client, err, tt.code)
				}
				if tt.code == 503 && !strings.Contains(err.Error(), "in front of it") {
					t.Errorf("%s: %v", client, err)
				}
			}
		})
	}
}

func TestDiscoveryBehindADefaultBackend(t *testing.T) {
	h, s, c := hostile(t)
	h.Lie(testenv.Everything, testenv.HTML(404))
	_, _, err := discoverer1(s).ServerGroupsAndResourcesWithContext(t.Context())
	if !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v, want that it is unavailable", err)
	}
	c.Report(s, err)
	eventually(t, "it backs off", func() bool { return c.Status().State == member.BackingOff })
	if got := c.Status(); got.Reason != resultUnavailable {
		t.Errorf("status %+v", got)
	}
}

func TestRedirectsAreToldApart(t *testing.T) {
	for to, want := range map[string]string{"": "within itself", "https://elsewhere.invalid": "to another address"} {
		h := testenv.StartHostile(t, "liar")
		h.Lie(testenv.Everything, testenv.Redirect(to))
		c := newConnection(t, Options{REST: h.Config()})
		t.Cleanup(running(t, c))
		eventually(t, "it backs off", func() bool { return c.Status().State == member.BackingOff })
		if got := c.Status(); !strings.Contains(got.LastError, want) || got.Reason != resultInvalid {
			t.Errorf("redirected to %q: %+v", to, got)
		}
	}
}

// TestVersionIsNoTokenOfOurs: what a server calls its version is shown to
// everybody.
func TestVersionIsNoTokenOfOurs(t *testing.T) {
	for name, lie := range map[string]testenv.Lie{
		"the token": testenv.Echo(200),
		"another":   testenv.Answer(200, "application/json", `{"gitVersion":"v1.2.3\u001b[2J"}`),
		"a page":    testenv.Answer(200, "application/json", `{"gitVersion":"v1.<script>"}`),
		"a long one": testenv.Answer(200, "application/json", `{"gitVersion":"v1.`+
			strings.Repeat("2", 100)+`"}`),
	} {
		h := testenv.StartHostile(t, "liar")
		h.Lie(testenv.Version, lie)
		c := newConnection(t, Options{REST: h.Config()})
		t.Cleanup(running(t, c))
		acquire(t, c)
		if got := c.Status().ServerVersion; got != "" {
			t.Errorf("%s: version %q", name, got)
		}
	}
	h := testenv.StartHostile(t, "liar")
	cfg := h.Config()
	cfg.BearerToken = "1.36.3-is-the-token"
	h.Lie(testenv.Everything, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+h.Token())
			next.ServeHTTP(w, r)
		})
	})
	h.Lie(testenv.Version, testenv.Echo(200))
	c := newConnection(t, Options{REST: cfg})
	t.Cleanup(running(t, c))
	acquire(t, c)
	if got := c.Status().ServerVersion; got != "" {
		t.Errorf("version %q", got)
	}
}

// TestLineBreakBehindAToken is what echo leaves in a Secret.
func TestLineBreakBehindAToken(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	cfg := h.Config()
	cfg.BearerToken += "\r\n"
	c := newConnection(t, Options{REST: cfg})
	t.Cleanup(running(t, c))
	acquire(t, c)

	cfg.BearerToken = h.Token()[:8] + "\n" + h.Token()[8:]
	c.SetREST(cfg)
	eventually(t, "it waits for another one", func() bool { return c.Status().State == member.Waiting })
	if got := c.Status(); got.Reason != reasonUnusable || !strings.Contains(got.LastError, "line break") {
		t.Errorf("status %+v", got)
	}
}
