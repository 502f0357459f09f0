package endpoints_test

import (
	"context"
	"crypto/tls"
	"io"
	"log" //nolint:depguard // As net/http wants it.
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/endpoints"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/testca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is an endpoint that counts the requests that have reached it.
type host struct {
	*httptest.Server
	requests atomic.Int64
}

// serve starts an endpoint. A nil handler never answers.
func serve(t testing.TB, handler http.HandlerFunc) *host {
	t.Helper()
	h := &host{}
	release := make(chan struct{})
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		if handler == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			<-release
			return
		}
		handler(w, r)
	}))
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(release) }) // before Close, which waits
	return h
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// down is an endpoint that refuses connections.
func down(t testing.TB) string {
	t.Helper()
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Release() })
	return "http://127.0.0.1:" + strconv.Itoa(port.Number)
}

// silent is an endpoint that takes connections and says nothing, not even of TLS.
func silent(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}

func client(t testing.TB, o endpoints.Options) *endpoints.Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = 1000
	}
	if o.Unfit == nil {
		o.Unfit = func(a endpoints.Answer) bool { return a.Status >= 500 }
	}
	c, err := endpoints.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var (
	read  = endpoints.Request{Method: http.MethodGet, Path: "/"}
	write = endpoints.Request{Method: http.MethodPost, Path: "/", Body: []byte("x"), Once: true}
)

func ask(t testing.TB, c *endpoints.Client, r endpoints.Request, d time.Duration) (endpoints.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, context.DeadlineExceeded)
	defer cancel()
	return c.Do(ctx, r)
}

const (
	long  = time.Minute
	short = 200 * time.Millisecond
)

// TestAWriteReachesOneHost: whatever the first that it reaches does with it.
func TestAWriteReachesOneHost(t *testing.T) {
	for name, first := range map[string]http.HandlerFunc{
		"silent":   nil,
		"not able": answers(503, "no leader"),
		"cut off":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"large":    answers(200, strings.Repeat("x", 2000)),
		"moved": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
		"not complete": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := serve(t, first), serve(t, answers(200, "b"))
			c := client(t, endpoints.Options{URLs: []string{a.URL, b.URL}})
			answer, err := ask(t, c, write, short)
			if err == nil && answer.Status == 200 {
				t.Errorf("it succeeds: %s", answer.Body)
			}
			if a.requests.Load() != 1 || b.requests.Load() != 0 {
				t.Errorf("%d requests have reached the first host and %d the second, want one and none", a.requests.Load(), b.requests.Load())
			}
			if name == "moved" {
				return
			}
			answer, err = ask(t, c, write, long)
			if err != nil || string(answer.Body) != "b" {
				t.Errorf("the next request does not go to the next host: %s, %v", answer.Body, err)
			}
		})
	}
}

// TestAWriteThatReachesNobodyGoesOn: where no connection can be made, nothing was sent.
func TestAWriteThatReachesNobodyGoesOn(t *testing.T) {
	b := serve(t, answers(200, "b"))
	c := client(t, endpoints.Options{URLs: []string{down(t), b.URL}})
	for range 2 {
		if answer, err := ask(t, c, write, long); err != nil || string(answer.Body) != "b" {
			t.Errorf("%s, %v", answer.Body, err)
		}
	}
	none := client(t, endpoints.Options{URLs: []string{down(t), down(t)}})
	if _, err := ask(t, none, write, long); err == nil || strings.Count(err.Error(), "refused") != 2 || strings.Contains(err.Error(), "\n") {
		t.Errorf("no host is there: %v", err)
	}
}

// TestAReadIsTriedEverywhere: also at a host that is silent, for its share of the time.
func TestAReadIsTriedEverywhere(t *testing.T) {
	good := serve(t, answers(200, "good"))
	for name, bad := range map[string]string{
		"down": down(t), "silent": silent(t), "not able": serve(t, answers(503, "no leader")).URL, "cut off": serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).URL,
	} {
		c := client(t, endpoints.Options{URLs: []string{bad, bad, good.URL}})
		d := long
		if name == "silent" {
			d = 3 * time.Second // of which each has a third
		}
		answer, err := ask(t, c, read, d)
		if err != nil || string(answer.Body) != "good" {
			t.Errorf("%s: %s, %v", name, answer.Body, err)
		}
	}
	bad := serve(t, answers(503, "no leader"))
	c := client(t, endpoints.Options{URLs: []string{down(t), bad.URL}})
	if answer, err := ask(t, c, read, long); err != nil || answer.Status != 503 {
		t.Errorf("the answer that there is is not returned: %+v, %v", answer, err)
	}
}

func TestWhatIsSent(t *testing.T) {
	a := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		_, _ = io.WriteString(w, r.Header.Get("User-Agent")+r.Header.Get("X-A")+r.Header.Get("Cookie")+r.Header.Get("Accept-Encoding")+r.URL.String())
	})
	c := client(t, endpoints.Options{URLs: []string{a.URL}, UserAgent: "me"})
	for range 2 {
		answer, err := ask(t, c, endpoints.Request{Method: "GET", Path: "/p%2F?q", Header: http.Header{"X-A": {"h"}}}, long)
		if err != nil || string(answer.Body) != "meh/p%2F?q" {
			t.Errorf("%s, %v", answer.Body, err)
		}
	}
	if _, err := ask(t, c, endpoints.Request{Method: "GET", Path: "/s3cret%zz"}, long); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	ca, err := testca.New("test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Server()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewUnstartedServer(answers(200, "secure"))
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	file := t.TempDir() + "/ca"
	write := func(ca *testca.CA) {
		if err := os.WriteFile(file, ca.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ca)
	dumb := strings.Replace(silent(t), "http:", "https:", 1)
	plain := strings.Replace(serve(t, answers(200, "plain")).URL, "http:", "https:", 1)
	c := client(t, endpoints.Options{URLs: []string{plain, dumb, secure.URL}, TLS: credentials.TLS{CA: file}, Timeout: time.Second})
	answer, err := ask(t, c, endpoints.Request{Method: "POST", Path: "/", Once: true}, long)
	if err != nil || string(answer.Body) != "secure" {
		t.Errorf("%s, %v", answer.Body, err)
	}
	other, err := testca.New("other")
	if err != nil {
		t.Fatal(err)
	}
	write(other)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	only := client(t, endpoints.Options{URLs: []string{secure.URL}, TLS: credentials.TLS{CA: file}})
	if _, err := ask(t, only, read, long); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server of another CA: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]endpoints.Options{
		"none":           {},
		"scheme":         {URLs: []string{"ftp://h"}},
		"no scheme":      {URLs: []string{"h:2379"}},
		"path":           {URLs: []string{"http://h/s3cret"}},
		"query":          {URLs: []string{"http://h?s3cret"}},
		"user":           {URLs: []string{"http://u:s3cret@h"}},
		"no host":        {URLs: []string{"http://:1"}},
		"no URL":         {URLs: []string{"http://s3cret:x/%zz"}},
		"mixed":          {URLs: []string{"http://h", "https://h"}},
		"TLS of nothing": {URLs: []string{"http://h"}, TLS: credentials.TLS{ServerName: "h"}},
		"a CA not there": {URLs: []string{"https://h"}, TLS: credentials.TLS{CA: "/nowhere/ca"}},
	} {
		o.Timeout, o.MaxAnswer = time.Second, 1
		if _, err := endpoints.New(o); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
