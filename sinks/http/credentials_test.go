package httpsink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// place is a folder of files, and what reads them.
func place(t *testing.T, o Options) (*passes, func(name string) string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	u := &url.URL{Scheme: "https", Host: "h"}
	return &passes{o: &o, url: u, header: http.Header{"Content-Type": {"x"}}, authorization: "Bearer"}, at
}

func TestFilesAreReadAgain(t *testing.T) {
	p, at := place(t, Options{User: "u"})
	p.o.HeaderFile, p.o.PasswordFile, p.o.PathFile = at("headers"), at("password"), at("path")
	write(t, at("headers"), "# a comment\n\nx-api-key:  k3y-number-one \nX-Two: a\nX-Two: b:c\n")
	write(t, at("password"), "pass:word-1\n")
	write(t, at("path"), "/hooks/pa%2Fth-1?x=1\n")
	now := time.Now()
	first, err := p.current(now)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Content-Type": {"x"}, "X-Api-Key": {"k3y-number-one"}, "X-Two": {"a", "b:c"},
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("u:pass:word-1"))},
	}
	for name, values := range want {
		if strings.Join(first.header[name], "|") != strings.Join(values, "|") {
			t.Errorf("%s: %q, want %q", name, first.header[name], values)
		}
	}
	if len(first.header) != len(want) || first.url.String() != "https://h/hooks/pa%2Fth-1?x=1" {
		t.Errorf("%v, %s", first.header, first.url)
	}

	write(t, at("password"), "pass:word-2")
	if again, _ := p.current(now.Add(fresh / 2)); again != first {
		t.Error("the files are read for each request")
	}
	second, err := p.current(now.Add(2 * fresh))
	if err != nil || second == first || second.header.Get("Authorization") == first.header.Get("Authorization") {
		t.Fatalf("a file that was replaced is not read: %v", err)
	}
	// A request with the first may be answered yet.
	if got := second.clean.Clean("pass:word-1 pass:word-2 k3y-number-one pa%2Fth-1 th-1"); strings.Contains(got, "word") || strings.Contains(got, "k3y") {
		t.Error(got)
	}

	if err := os.Remove(at("password")); err != nil {
		t.Fatal(err)
	}
	if third, err := p.current(now.Add(4 * fresh)); err != nil || third != second {
		t.Errorf("a file that is gone takes the place of what it held: %v", err)
	}
	if err := p.trouble(); err == nil || !strings.Contains(err.Error(), "password-file: ") {
		t.Errorf("a file that is gone is not told of: %v", err)
	}
	write(t, at("password"), "pass:word-3")
	if _, err := p.current(now.Add(6 * fresh)); err != nil || p.trouble() != nil {
		t.Errorf("%v, %v", err, p.trouble())
	}
}

// TestOneHeaderOfAName: servers refuse two of Authorization, and User-Agent is replaced.
func TestOneHeaderOfAName(t *testing.T) {
	p, at := place(t, Options{})
	p.header.Set("User-Agent", "fairlead/1")
	p.o.HeaderFile, p.o.TokenFile = at("headers"), at("token")
	write(t, at("token"), "hunter2")
	write(t, at("headers"), "authorization: Basic hunter2")
	if _, err := p.current(time.Now()); err == nil || !strings.Contains(err.Error(), "which another parameter gives as well") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	write(t, at("headers"), "User-Agent: mine\nX-A: 1\nX-A: 2")
	pass, err := p.current(time.Now())
	if err != nil || strings.Join(pass.header["User-Agent"], "|") != "mine" || strings.Join(pass.header["X-A"], "|") != "1|2" {
		t.Errorf("%v, %v", pass, err)
	}
}

func TestFilesThatAreNotGood(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "it has no line",
		"no colon":               "line 1 is no NAME: VALUE",
		"A: b\nb c: hunter2":     "line 2 is no NAME: VALUE",
		"# a\n\nA: b\nhunter2":   "line 4 is no NAME: VALUE",
		"A: ":                    "line 1 is no NAME: VALUE",
		"A: hun\x00ter2":         "line 1 is no NAME: VALUE",
		"Host: hunter2":          "gives header Host",
		"content-length: 1":      "gives header Content-Length",
		"ce-id: hunter2":         "gives header Ce-Id",
		"Webhook-Signature: x":   "gives header Webhook-Signature",
		strings.Repeat("x", 1e5): "more than 65536 bytes",
	} {
		p, at := place(t, Options{})
		p.o.HeaderFile = at("headers")
		write(t, at("headers"), text)
		if _, err := p.current(time.Now()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "header-file: ") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%.20q: %v, want an error with %q", text, err, want)
		}
	}
	p, at := place(t, Options{})
	p.o.HeaderFile, p.o.TokenFile = at("headers"), at("token")
	write(t, at("headers"), "Authorization: ApiKey hunter2")
	write(t, at("token"), "t")
	if _, err := p.current(time.Now()); err == nil || !strings.Contains(err.Error(), "header Authorization, which another parameter gives as well") {
		t.Errorf("two ways to authenticate: %v", err)
	}
	good := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 24)))
	for _, text := range []string{"", "hunter2", "whsec_hunter2", "whsec_" + base64.StdEncoding.EncodeToString([]byte("short")), good + "\n" + good + "\n" + good} {
		p, at := place(t, Options{})
		p.o.SecretFile = at("secrets")
		write(t, at("secrets"), text)
		if _, err := p.current(time.Now()); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), good) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	for _, text := range []string{"", "hunter2", "//hunter2/x", "https://hunter2", "/a#hunter2", "/%zzhunter2"} {
		p, at := place(t, Options{})
		p.o.PathFile = at("path")
		write(t, at("path"), text)
		if _, err := p.current(time.Now()); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func change(name string) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name},
		Origin: &pipeline.Origin{Cluster: "alpha", Kind: "Pod", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
		Op:     pipeline.Added, UID: "u", ResourceVersion: "1.2.3",
	}
}

// TestSignatures checks them as the specification says, with both of two secrets.
func TestSignatures(t *testing.T) {
	keys := [][]byte{[]byte(strings.Repeat("a", 24)), []byte(strings.Repeat("b", 64))}
	body, now := []byte(`{"a":1}`), time.Unix(1674087231, 0)
	h := http.Header{}
	changes := []*pipeline.Change{change("a")}
	sign(h, keys, changes, body, now)
	id := h.Get("Webhook-Id")
	if strings.ContainsAny(id, ". ") || len(id) > 64 || h.Get("Webhook-Timestamp") != "1674087231" {
		t.Errorf("%v", h)
	}
	signatures := strings.Split(h.Get("Webhook-Signature"), " ")
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + ".1674087231." + string(body)))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); len(signatures) != 2 || signatures[i] != want {
			t.Errorf("%v, want %s", signatures, want)
		}
	}
	later := http.Header{}
	sign(later, keys, changes, body, now.Add(time.Hour))
	if later.Get("Webhook-Id") != id || later.Get("Webhook-Signature") == h.Get("Webhook-Signature") {
		t.Errorf("of a repetition: %v", later)
	}
	b := change("a")
	b.ResourceVersion = "2"
	sign(later, keys, []*pipeline.Change{change("a"), b}, body, now)
	if later.Get("Webhook-Id") == id {
		t.Error("a batch has the id of its first change")
	}
}

// TestSignatureOfTheSpecification is the vector of the reference libraries.
func TestSignatureOfTheSpecification(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	if got := signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}
