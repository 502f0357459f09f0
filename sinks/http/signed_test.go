package httpsink_test

import (
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

func secret(letter string) (line string, key []byte) {
	key = []byte(strings.Repeat(letter, 32))
	return "whsec_" + base64.StdEncoding.EncodeToString(key), key
}

// TestReceiversVerifySignatures: of what has arrived, with the secret of before, with
// both, and with the one that follows.
func TestReceiversVerifySignatures(t *testing.T) {
	oldLine, oldKey := secret("o")
	newLine, newKey := secret("n")
	var mu sync.Mutex
	var good []string // which keys have signed the last request
	ids := map[string]int{}
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		good = nil
		id := r.Header.Get("Webhook-Id")
		ids[id]++
		for name, key := range map[string][]byte{"old": oldKey, "new": newKey} {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(id + "." + r.Header.Get("Webhook-Timestamp") + "." + string(body)))
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); slices.Contains(strings.Split(r.Header.Get("Webhook-Signature"), " "), want) {
				good = append(good, name)
			}
		}
		slices.Sort(good)
	})
	signedBy := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(good, " ")
	}
	for _, mode := range []httpsink.Format{httpsink.Structured, httpsink.Batch} { // binary mode has headers that no signature covers
		path := file(t, "secret", oldLine)
		sink := open(t, httpsink.Options{URL: s.URL, Format: mode, SecretFile: path})
		batch := []*pipeline.Change{pod("a", 1)}
		write(t, sink, batch...)
		if got := signedBy(); got != "old" {
			t.Errorf("%s: signed by %q", mode, got)
		}
		for _, step := range []struct{ text, want string }{{oldLine + "\n" + newLine + "\n", "new old"}, {newLine, "new"}} {
			replace(t, path, step.text)
			await(t, func() bool {
				write(t, sink, batch...)
				return signedBy() == step.want
			})
		}
	}
	if len(ids) != 1 { // in both modes, of all repetitions
		t.Errorf("ids %v", ids)
	}
}

// await tries until it is so.
func await(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("it does not happen")
		}
	}
}

// TestATokenThatExpires: writes fail until the file is replaced, and nothing is refused for
// good.
func TestATokenThatExpires(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer second-token" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	path := file(t, "token", "first-token\n")
	sink := open(t, httpsink.Options{URL: s.URL, TokenFile: path})
	err := sink.Write(t.Context(), batchOf(3))
	if err == nil || pipeline.IsPermanent(err) || !strings.Contains(err.Error(), "401 Unauthorized; check token-file") || strings.Contains(err.Error(), "first-token") {
		t.Fatalf("%v", err)
	}
	replace(t, path, "second-token\n")
	await(t, func() bool { return sink.Write(t.Context(), batchOf(3)) == nil })
}

// TestATokenFileThatIsGone is told of once, and again with the answer that it leads to.
func TestATokenFileThatIsGone(t *testing.T) {
	var code atomic.Int32
	code.Store(200)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(code.Load())) })
	path := file(t, "token", "first-token\n")
	var logged atomic.Int32
	log := funcr.New(func(_, line string) {
		if strings.Contains(line, "Credentials cannot be read") && !strings.Contains(line, "first-token") {
			logged.Add(1)
		}
	}, funcr.Options{})
	sink := open(t, httpsink.Options{URL: s.URL, TokenFile: path, Log: log})
	write(t, sink, batchOf(1)...)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		write(t, sink, batchOf(1)...)
		return logged.Load() > 0
	})
	code.Store(401)
	err := sink.Write(t.Context(), batchOf(1))
	for what, err := range map[string]error{"Write": err, "Check": sink.Check(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "what the files have held before") || !strings.Contains(err.Error(), "token-file: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if logged.Load() != 1 {
		t.Errorf("it is logged %d times", logged.Load())
	}
}

// TestGzip: the body is what it would be, and says how it is written.
func TestGzip(t *testing.T) {
	var got, encoding string
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		encoding = r.Header.Get("Content-Encoding")
		plain, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		text, err := io.ReadAll(plain)
		if err != nil {
			t.Error(err)
		}
		got = string(text)
	})
	sink := open(t, httpsink.Options{URL: s.URL, Gzip: true, Connections: 1})
	for v := range 5 {
		c := pod("a", v+1)
		write(t, sink, c)
		if want := string(c.AppendCloudEvent(nil)); got != want || encoding != "gzip" {
			t.Errorf("%s: %q, want %q", encoding, got, want)
		}
	}
}
