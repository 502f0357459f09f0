package controlplane

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersions(t *testing.T) {
	for name, test := range map[string]struct {
		goMod string
		want  Versions
		fails bool
	}{
		"block": {
			goMod: "require (\n\tgo.etcd.io/etcd/server/v3 v3.6.8 // indirect\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n",
			want:  Versions{Kubernetes: "1.36.3", Etcd: "3.6.8"},
		},
		"pre-release": {
			goMod: "\tk8s.io/kubernetes v1.37.0-rc.1\n\tgo.etcd.io/etcd/server/v3 v3.7.0\n",
			want:  Versions{Kubernetes: "1.37.0-rc.1", Etcd: "3.7.0"},
		},
		"no etcd":      {goMod: "\tk8s.io/kubernetes v1.36.3\n", fails: true},
		"no version":   {goMod: "\tk8s.io/kubernetes\n\tgo.etcd.io/etcd/server/v3\n", fails: true},
		"other module": {goMod: "\tk8s.io/kubernetes-x v1.36.3\n\tgo.etcd.io/etcd/server/v3 v3.6.8\n", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseVersions([]byte(test.goMod))
			if (err != nil) != test.fails {
				t.Fatalf("error %v, want one: %v", err, test.fails)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("versions (-want +got):\n%s", diff)
			}
		})
	}
}

// The tests below this line have a cache of their own.

// emptyCache points the user's cache directory at an empty folder and returns
// where the package's part of it will be.
func emptyCache(t *testing.T) string {
	t.Helper()
	t.Setenv(assetsEnv, "")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	t.Setenv("XDG_DATA_HOME", "")
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// fake puts programs of these names into dir.
func fake(t *testing.T, dir string, mode os.FileMode, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindLooksInOrder(t *testing.T) {
	cache := emptyCache(t)
	if _, err := Find(); !errors.Is(err, ErrNotFound) {
		t.Fatalf("find in an empty cache: got %v, want ErrNotFound", err)
	}
	versions := Pinned()
	major, minor := versions.minor()
	inStore := filepath.Join(envtestStore(), "k8s", major+"."+minor+".1-"+runtime.GOOS+"-"+runtime.GOARCH)
	platform := "-" + runtime.GOOS + "-" + runtime.GOARCH
	release := func(version string) string { return filepath.Join(cache, "k8s", version+platform) }
	built := filepath.Join(cache, versions.dirName())
	env := filepath.Join(t.TempDir(), "assets")

	// Each step adds a better place, or one that does not count.
	for _, step := range []struct {
		name string
		add  func()
		want string // empty: not found
	}{
		{"another minor version", func() { fake(t, release(major+".1.9"), 0o755, apiServer, etcd) }, ""},
		{"half a download", func() { fake(t, release(major+"."+minor+".1"), 0o755, apiServer) }, ""},
		{"a download of setup-envtest's own", func() { fake(t, inStore, 0o755, apiServer, etcd) }, inStore},
		{"a download", func() { fake(t, release(major+"."+minor+".2"), 0o755, apiServer, etcd) }, release(major + "." + minor + ".2")},
		{"a newer download", func() { fake(t, release(major+"."+minor+".10"), 0o755, apiServer, etcd) }, release(major + "." + minor + ".10")},
		{"half a build", func() { fake(t, built, 0o755, etcd) }, release(major + "." + minor + ".10")},
		{"a build that cannot be run", func() { fake(t, built, 0o644, apiServer) }, release(major + "." + minor + ".10")},
		{"a build", func() {
			if err := os.Chmod(filepath.Join(built, apiServer), 0o755); err != nil {
				t.Fatal(err)
			}
		}, built},
		{"a variable that names nothing", func() { t.Setenv(assetsEnv, env) }, built},
		{"a variable", func() { fake(t, env, 0o755, apiServer, etcd) }, env},
	} {
		step.add()
		got, err := Find()
		if step.want == "" {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("with %s: got %q, %v, want ErrNotFound", step.name, got, err)
			}
		} else if err != nil || got != step.want {
			t.Errorf("with %s: got %q, %v, want %q", step.name, got, err, step.want)
		}
	}
}

// smallServers makes a module in the image of servers/ whose programs only print
// their names.
func smallServers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"go.mod": "module servers\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.3\n\tgo.etcd.io/etcd/server/v3 v3.6.8\n)\n\n" +
			"replace k8s.io/kubernetes => ./kubernetes\n\nreplace go.etcd.io/etcd/server/v3 => ./etcd\n",
		"kubernetes/go.mod":                     "module k8s.io/kubernetes\n",
		"kubernetes/cmd/kube-apiserver/main.go": "package main\n\nfunc main() { print(\"the API server\") }\n",
		"etcd/go.mod":                           "module go.etcd.io/etcd/server/v3\n",
		"etcd/main.go":                          "package main\n\nfunc main() { print(\"the etcd\") }\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOneOfManyBuilds(t *testing.T) {
	var progress lines
	m := maker{
		servers:  smallServers(t),
		versions: Versions{Kubernetes: "1.36.3", Etcd: "3.6.8"},
		cache:    filepath.Join(t.TempDir(), "new"),
		progress: &progress,
	}
	var builders sync.WaitGroup
	for range 3 {
		builders.Go(func() {
			dir, err := m.make(t.Context())
			if err != nil {
				t.Error(err)
			} else if want := filepath.Join(m.cache, "kube-1.36.3_etcd-3.6.8"); dir != want {
				t.Errorf("built into %s, want %s", dir, want)
			}
		})
	}
	builders.Wait()
	for name, want := range map[string]string{apiServer: "the API server", etcd: "the etcd"} {
		output, err := exec.Command(filepath.Join(m.cache, "kube-1.36.3_etcd-3.6.8", name)).CombinedOutput()
		if err != nil || string(output) != want {
			t.Errorf("%s prints %q, %v, want %q", name, output, err, want)
		}
		if got := strings.Count(progress.String(), "building "+name); got != 1 {
			t.Errorf("%s was built %d times, want once; progress was:\n%s", name, got, progress.String())
		}
	}
}

func TestBrokenBuildLeavesNoProgram(t *testing.T) {
	m := maker{
		servers:  smallServers(t),
		versions: Versions{Kubernetes: "1.36.3", Etcd: "3.6.8"},
		cache:    t.TempDir(),
		progress: new(lines),
	}
	source := filepath.Join(m.servers, "kubernetes/cmd/kube-apiserver/main.go")
	good, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() { undefined() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = m.make(t.Context())
	if err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Fatalf("got error %v, want the compiler's", err)
	}
	if dir := filepath.Join(m.cache, m.versions.dirName()); holdsBoth(dir) {
		t.Errorf("%s looks whole after a broken build", dir)
	}
	// The next call goes on from there.
	if err := os.WriteFile(source, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if dir, err := m.make(t.Context()); err != nil || !holdsBoth(dir) {
		t.Errorf("second try: got %q, %v", dir, err)
	}
}

// lines is a buffer that several may write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
