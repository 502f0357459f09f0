package deadletter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// hooked is a context that calls something when it is asked whether it has ended.
type hooked struct {
	context.Context //nolint:containedctx // it is one
	asked           func()
}

func (h hooked) Err() error {
	h.asked()
	return h.Context.Err()
}

// A lane ends while Take looks whether there is something of others: what is in the file of it
// is taken.
func TestALaneEndsWhileTakeLooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	writeOf(t, f, "x", "alpha/a")
	first := mustTake(t, f)
	writeOf(t, f, "x", "alpha/b")
	ends := sync.OnceFunc(func() {
		if err := first.Finish(context.Background(), Lane{"x", "alpha"}, keepNone); err != nil {
			t.Error(err)
		}
	})
	second, err := f.Take(hooked{t.Context(), ends})
	if second == nil || err != nil {
		t.Fatalf("%v, %v", second, err)
	}
	wantNames(t, second, Lane{"x", "alpha"}, "b")
	if err := finish(second, keepNone); err != nil {
		t.Error(err)
	}
}
