package testsinks

import (
	"os"
	"strings"
	"testing"
)

// What is not here is named, with the target that runs its tests, and what is here is not.
// What takes too long is named always.
func TestMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	for _, p := range Programs {
		t.Setenv(p.Env, "")
	}
	here, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Programs {
		text := Missing()
		if !strings.Contains(text, p.Name) || !strings.Contains(text, "make test-sinks") || strings.Contains(text, "\n") {
			t.Errorf("%q, want one line about %s and make test-sinks", text, p.Name)
		}
		t.Setenv(p.Env, here)
		if text := Missing(); strings.Contains(text, p.Name) || !strings.Contains(text, "a hub that fails over") {
			t.Errorf("%q, although %s is here", text, p.Name)
		}
	}
	if text := Missing(); strings.Contains(text, "built") || !strings.Contains(text, "make test-sinks") {
		t.Errorf("%q, although all are here, but for the time", text)
	}
}
