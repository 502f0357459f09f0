package httpdest

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/credentials"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	o.Timeout, o.MaxAnswer = time.Minute, 100
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPost(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			t.Error("a redirect was followed")
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, _ := io.ReadAll(z)
		w.Header().Set("Location", "/moved")
		w.WriteHeader(http.StatusFound)
		_, _ = io.WriteString(w, string(body)+r.Header.Get("A")+strings.Repeat("x", 1000))
	})
	c := client(t, Options{URL: url + "/p?q=1", Gzip: true, Header: http.Header{"A": {"b"}}})
	a, err := c.Post(t.Context(), []byte("body"))
	if err != nil || a.Status != 302 || !strings.HasPrefix(string(a.Body), "bodybxxx") || len(a.Body) != 100 {
		t.Errorf("%+v, %v", a, err)
	}
	if c.Target() != url+"/p" {
		t.Error(c.Target())
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	token, more := filepath.Join(dir, "token"), filepath.Join(dir, "headers")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(token, "s3cret-one\n")
	write(more, "# keys\nx-api-key: s3cret-two\n\nAuthorization-Of: Scheme s3cret-three\n")
	h := &headers{tokenFile: token, headerFile: more}
	now := time.Now()
	first, err := h.current(now)
	if err != nil || first.Get("Authorization") != "Bearer s3cret-one" || first.Get("X-Api-Key") != "s3cret-two" {
		t.Fatal(first, err)
	}
	write(token, "s3cret-new")
	if again, _ := h.current(now.Add(fresh / 2)); again.Get("Authorization") != "Bearer s3cret-one" {
		t.Error("it is read again at once")
	}
	if again, _ := h.current(now.Add(2 * fresh)); again.Get("Authorization") != "Bearer s3cret-new" {
		t.Error("it is not read again")
	}
	write(token, "")
	if again, err := h.current(now.Add(4 * fresh)); err != nil || again.Get("Authorization") != "Bearer s3cret-new" {
		t.Errorf("an empty file takes the place of the last good one: %v", err)
	}
	if text := h.redactor().Clean("s3cret-one s3cret-two s3cret-three s3cret-new"); strings.Contains(text, "s3cret") {
		t.Error(text)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	files := 0
	file := func(text string) string {
		files++
		path := filepath.Join(dir, fmt.Sprint("headers-", files))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"user":       {URL: "http://u:s3cret@h"},
		"no URL":     {URL: "http://s3cret:x/%zz"},
		"scheme":     {URL: "ftp://h"},
		"no token":   {URL: "http://h", TokenFile: dir + "/nowhere"},
		"no header":  {URL: "http://h", HeaderFile: file("s3cret")},
		"two tokens": {URL: "http://h", TokenFile: token, HeaderFile: file("authorization: s3cret")},
		"the body's": {URL: "http://h", HeaderFile: file("content-encoding: s3cret")},
		"no line":    {URL: "http://h", HeaderFile: file("# s3cret")},
		"TLS":        {URL: "http://h", TLS: credentials.TLS{CA: dir}},
	} {
		if name == "no header" {
			o.HeaderFile = file("s3cret")
		}
		c, err := New(o)
		if err == nil {
			err = c.ReadFiles()
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "7": 7 * time.Second, "99999999999": MaxPatience, "999999": MaxPatience, "+7": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		d := Answer{Header: http.Header{"Retry-After": {text}}}.RetryAfter(now)
		if d < want || d > want+want/10 {
			t.Errorf("%q: %v, want %v", text, d, want)
		}
	}
}
