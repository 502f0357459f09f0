package deadletter

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file that is removed while another one is taken: the other one has a name of its own
// until the first is forgotten.
func TestANameIsUsedUntilItIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	writeOf(t, f, "x", "alpha/a")
	first := mustTake(t, f)
	if err := os.Remove(path + Suffix); err != nil { // as letGo does, before it forgets it
		t.Fatal(err)
	}
	writeOf(t, f, "x", "beta/b")
	second := mustTake(t, f)
	if err := first.Finish(t.Context(), Lane{"x", "alpha"}, keepNone); err == nil {
		t.Error("it is removed twice")
	}
	if got := all(t, path); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%q are in the files", got)
	}
	writeOf(t, f, "x", "gamma/c")
	third := mustTake(t, f)
	wantNames(t, second, Lane{"x", "beta"}, "b")
	if err := second.Finish(t.Context(), Lane{"x", "beta"}, keepAll); err != nil {
		t.Error(err)
	}
	if got := all(t, path); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("%q are in the files", got)
	}
	if err := finish(third, keepNone); err != nil {
		t.Error(err)
	}
}

// Lanes end while others are taken: nothing is in no file, nor in two.
func TestLanesEndDuringATake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	for i := range 100 {
		a, b, c := fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i)
		writeOf(t, f, "x", a+"/a")
		first := mustTake(t, f)
		writeOf(t, f, "x", b+"/b")
		done := make(chan error, 1)
		go func() { done <- first.Finish(t.Context(), Lane{"x", a}, keepNone) }()
		second := mustTake(t, f)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		writeOf(t, f, "x", c+"/c")
		third := mustTake(t, f)
		if got := all(t, path); !slices.Equal(got, []string{"b", "c"}) {
			t.Fatalf("%d: %q are in the files", i, got)
		}
		wantNames(t, second, Lane{"x", b}, "b")
		wantNames(t, third, Lane{"x", c}, "c")
		for _, taken := range []*Taken{second, third} {
			if err := finish(taken, keepNone); err != nil {
				t.Fatal(err)
			}
		}
		if got := Files(path); len(got) != 1 {
			t.Fatalf("%d: there are %q", i, got)
		}
	}
}
