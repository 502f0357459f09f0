package testprogram_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

// program is one without dependencies, so that its build needs no network.
func program(t *testing.T) *testprogram.Program {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	if cache, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output(); err == nil {
		lines := strings.Split(strings.TrimSpace(string(cache)), "\n")
		t.Setenv("GOCACHE", lines[0])
		t.Setenv("GOMODCACHE", lines[1])
	}
	return &testprogram.Program{
		Name: "greeter", Env: "FAIRLEAD_TEST_GREETER", Target: "make greeter", Module: "example.com/greeter",
		Mod:  []byte("module example.com/servers\n\ngo 1.26.0\n\n// require example.com/greeter v1.2.3\nrequire example.com/greeter v1.2.3\n\nreplace example.com/greeter => ./\n"),
		Main: []byte("package main\n\nfunc main() { print(\"hello\") }\n"),
	}
}

func TestBuild(t *testing.T) {
	p := program(t)
	if _, err := p.Find(); !errors.Is(err, testprogram.ErrMissing) || !strings.Contains(err.Error(), "run `make greeter` once") {
		t.Fatalf("%v, want an error that says what to do", err)
	}
	var progress strings.Builder
	path, err := p.Build(t.Context(), &progress)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(path) != "greeter-1.2.3" || !strings.Contains(progress.String(), "building greeter-1.2.3") {
		t.Errorf("%s, %q", path, &progress)
	}
	if text, err := exec.Command(path).CombinedOutput(); err != nil || string(text) != "hello" {
		t.Errorf("it says %q, %v", text, err)
	}
	if again, err := p.Find(); err != nil || again != path {
		t.Errorf("found at %q, %v", again, err)
	}
	t.Setenv(p.Env, path+"-")
	if _, err := p.Find(); err == nil || !strings.Contains(err.Error(), "which is no program") {
		t.Errorf("of a wrong path: %v", err)
	}
}

func TestAFailedBuildLeavesNothing(t *testing.T) {
	p := program(t)
	p.Main = []byte("package main\n\nfunc main() { mistake }\n")
	if _, err := p.Build(t.Context(), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "undefined: mistake") {
		t.Fatalf("%v, want the compiler's error", err)
	}
	if _, err := p.Find(); !errors.Is(err, testprogram.ErrMissing) {
		t.Errorf("found: %v", err)
	}
	p.Module = "example.com/another"
	if _, err := p.Find(); err == nil || !strings.Contains(err.Error(), "does not require example.com/another") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat("greeter"); err == nil {
		t.Error("it is built here")
	}
}
