package controlplane

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestNoDownloadMeansBuild(t *testing.T) {
	t.Setenv(noDownloadEnv, "")
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	for name, index := range map[string]string{"nobody answers": gone.URL, "not found": missing.URL} {
		t.Run(name, func(t *testing.T) {
			var progress lines
			m := maker{
				servers:  smallServers(t),
				versions: Versions{Kubernetes: "1.36.3", Etcd: "3.6.8"},
				cache:    t.TempDir(),
				index:    index,
				progress: &progress,
			}
			dir, err := m.make(t.Context())
			if err != nil || filepath.Base(dir) != "kube-1.36.3_etcd-3.6.8" {
				t.Errorf("got %q, %v, want a build", dir, err)
			}
			if !strings.Contains(progress.String(), "no download of the test control plane") {
				t.Errorf("the reason to build was not told; progress was:\n%s", progress.String())
			}
		})
	}
}

// A release of the pinned minor version is taken, under its own name. This runs
// the real setup-envtest against an index of our own.
func TestDownloadTakesTheSameMinorVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("builds setup-envtest: skipped with -short")
	}
	t.Setenv(noDownloadEnv, "")
	versions := Pinned()
	major, minor := versions.minor()
	same, other := major+"."+minor+".1", major+".1.7"
	archive := releaseArchive(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/archive", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(archive); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/index", func(w http.ResponseWriter, _ *http.Request) {
		index := "releases:\n"
		for _, version := range []string{same, other} {
			index += fmt.Sprintf("  v%s:\n    envtest-v%s-%s-%s.tar.gz:\n      hash: %x\n      selfLink: %s/archive\n",
				version, version, runtime.GOOS, runtime.GOARCH, sha512.Sum512(archive), server.URL)
		}
		if _, err := w.Write([]byte(index)); err != nil {
			t.Error(err)
		}
	})
	var progress lines
	m := maker{servers: t.TempDir(), versions: versions, cache: t.TempDir(), index: server.URL + "/index", progress: &progress}
	// Were there no download, the build would take minutes and tell the same story.
	if err := m.download(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir, err := m.make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(m.cache, "k8s", same+"-"+runtime.GOOS+"-"+runtime.GOARCH); dir != want {
		t.Errorf("downloaded to %s, want %s", dir, want)
	}
	if strings.Contains(progress.String(), "building") {
		t.Errorf("built in spite of the download; progress was:\n%s", progress.String())
	}
}

// releaseArchive is a release as controller-tools packs it, with empty programs.
func releaseArchive(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	compressor := gzip.NewWriter(&packed)
	archive := tar.NewWriter(compressor)
	for _, name := range []string{apiServer, etcd, "kubectl"} {
		header := tar.Header{Name: "controller-tools/envtest/" + name, Typeflag: tar.TypeReg, Mode: 0o755, Size: 1}
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte("#")); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
