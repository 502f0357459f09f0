package lab

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRig(t *testing.T) {
	dir := t.TempDir()
	r := NewRig(dir)
	var ended []string
	folder := ""
	err := r.Do(t.Context(), func(t testing.TB) {
		folder = t.TempDir()
		t.Cleanup(func() { ended = append(ended, "first") })
		t.Cleanup(func() { t.Fatal("it does not end") })
		t.Cleanup(func() { ended = append(ended, "last") })
		if testing.Short() && t.Context() == nil {
			t.Error("no context")
		}
	})
	if err != nil || filepath.Dir(folder) != dir {
		t.Errorf("%v, a folder %q", err, folder)
	}
	for name, fail := range map[string]func(testing.TB){
		"Fatal": func(t testing.TB) { t.Fatal(os.ErrNotExist) },
		"Skip":  func(t testing.TB) { t.Skip(os.ErrNotExist) },
		"Error": func(t testing.TB) { t.Error(os.ErrNotExist) },
	} {
		went := false
		err := r.Do(t.Context(), func(t testing.TB) {
			fail(t)
			went = true
		})
		if !errors.Is(err, os.ErrNotExist) || went != (name == "Error") {
			t.Errorf("%s: %v, and it went on: %v", name, err, went)
		}
	}
	err = r.Do(t.Context(), func(t testing.TB) { t.Fatalf("server %d does not start", 3) })
	if err == nil || err.Error() != "server 3 does not start" {
		t.Errorf("Fatalf: %v", err)
	}
	if err := r.Do(t.Context(), func(testing.TB) {}); err != nil {
		t.Errorf("what was wrong before is told again: %v", err)
	}
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "does not end") || !slices.Equal(ended, []string{"last", "first"}) {
		t.Errorf("%v, and ended %q", err, ended)
	}
}
