package ctl

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// unpacked returns the files of a bundle that a program behind an API server made.
func unpacked(t *testing.T, config *rest.Config, h hubFlags) (files map[string]string) {
	t.Helper()
	h.namespace, h.lease, h.port = "fairlead", defaultLease, defaultPort
	at, err := h.openBy(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	var made bytes.Buffer
	b := newBundle(&made, time.Now(), at)
	b.collect(t.Context(), at)
	if err := b.close("test"); err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(&made)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for r := tar.NewReader(zip); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(header.Name, "fairlead-support/")] = string(text)
	}
}

// podServer is an API server with one Pod, whose log it is, and which cannot forward ports.
// It tells the token that it gets in a log and in an error.
func podServer(t *testing.T, log string, listed ...string) *rest.Config {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/pods"):
			w.Header().Set("Content-Type", "application/json")
			var items []any
			for _, name := range listed {
				items = append(items, map[string]any{"metadata": map[string]any{"name": name}, "status": map[string]any{"phase": "Running"}})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"kind": "PodList", "apiVersion": "v1", "items": items})
		case strings.HasSuffix(r.URL.Path, "/log") && r.URL.Query().Get("previous") == "":
			_, _ = io.WriteString(w, log+"\nyou are "+r.Header.Get("Authorization")+"\n")
		default:
			http.Error(w, "not for "+r.Header.Get("Authorization"), http.StatusTeapot)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// TestABundleHidesWhatIsEscaped: members' answers are JSON in the JSON of a log, keys have
// lines, and the token of whoever asks comes from a file.
func TestABundleHidesWhatIsEscaped(t *testing.T) {
	const password, key, token = "canary-pw", "canaryKEYcanaryKEYcanaryKEYcanary", "canary.tok"
	config := podServer(t, `{"err":"400: {\"password\":\"`+password+`\"}"}`+"\n-----BEGIN PRIVATE KEY-----\n"+key+"\n"+key+"\n-----END PRIVATE KEY-----\nhello", "fairlead-0")
	config.BearerTokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(config.BearerTokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	files := unpacked(t, config, hubFlags{pod: "fairlead-0"})
	if log := files["fairlead-0/log.txt"]; !strings.Contains(log, "hello") || !strings.Contains(log, `{"err":"400: {\"password\":\"[redacted]\"}"}`) {
		t.Errorf("the log: %q", log)
	}
	for name, text := range files {
		for _, secret := range []string{password, key, token} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s: %q", name, secret, text)
			}
		}
	}
}

// TestABundleHasThePodThatIsNamed: also one without the label by which others are found.
func TestABundleHasThePodThatIsNamed(t *testing.T) {
	files := unpacked(t, podServer(t, "hello", "fairlead-0"), hubFlags{pod: "events-0"})
	for _, file := range []string{"fairlead-0/log.txt", "events-0/log.txt"} {
		if !strings.Contains(files[file], "hello") {
			t.Errorf("%s: %q", file, files[file])
		}
	}
}
