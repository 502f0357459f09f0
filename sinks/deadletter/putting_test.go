package deadletter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// Lanes that end together share a write: what is refused meanwhile waits for one of them. When
// ctx ends, none waits for the others; what is not put back by then is taken next time.
func TestLanesThatEndTogether(t *testing.T) {
	const lanes = 50
	for name, stops := range map[string]bool{"put back": false, "stopped": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "dead")
				f := mustOpen(t, path)
				for i := range lanes {
					writeOf(t, f, "x", fmt.Sprintf("c%d/a", i))
				}
				taken := mustTake(t, f)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				f.turn <- struct{}{} // somebody writes
				done := make(chan error, lanes)
				for lane := range taken.Lanes() {
					go func() { done <- taken.Finish(ctx, lane, keepAll) }()
				}
				synctest.Wait()
				if stops {
					cancel()
				}
				for _, want := range []int{1, lanes} { // the first to end had found nobody in the line
					go func() { f.turn <- struct{}{} }() // what is refused meanwhile waits for one write
					synctest.Wait()
					<-f.turn
					synctest.Wait()
					if stops {
						want = 1
					}
					if n := len(strings.Fields(inFile(t, path))); n != want {
						t.Errorf("%d are in the file again, want %d", n, want)
					}
				}
				<-f.turn
				for range lanes {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				if left := exists(t, path+Suffix); left != stops {
					t.Errorf("the other file is left: %v", left)
				}
				next := mustTake(t, f)
				if n := len(next.Lanes()); n != lanes {
					t.Errorf("%d lanes are taken next time", n)
				}
				if err := finish(next, keepNone); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func inFile(t *testing.T, path string) string {
	t.Helper()
	var names []string
	for r, err := range Read(path) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Event.Name)
	}
	return strings.Join(names, " ")
}

// A line that cannot be read is passed over and told of: the others are put back, and it
// hinders no other retry.
func TestALineThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	writeOf(t, f, "x", "alpha/a", "beta/open", "alpha/b", "alpha/c")
	taken := mustTake(t, f)
	entries := taken.Lanes()[Lane{"x", "alpha"}]
	text, err := os.ReadFile(path + Suffix)
	if err != nil {
		t.Fatal(err)
	}
	text[entries[1].offset+entries[1].Size()-1] = ' ' // an editor joined it with the next one
	if err := os.WriteFile(path+Suffix, text, 0o600); err != nil {
		t.Fatal(err)
	}
	err = taken.Finish(t.Context(), Lane{"x", "alpha"}, keepAll)
	if err == nil || !strings.Contains(err.Error(), "1 dead letters could not be put back") {
		t.Errorf("Finish: %v", err)
	}
	holds(t, path, "a c")
	writeOf(t, f, "y", "alpha/d")
	for range 2 {
		next := mustTake(t, f)
		if n, told := next.Bad(); n != 0 {
			t.Errorf("%v are told of", told)
		}
		if err := finish(next, keepAll); err != nil {
			t.Error(err)
		}
	}
	if err := taken.Finish(t.Context(), Lane{"x", "beta"}, keepNone); err != nil {
		t.Error(err)
	}
	if !exists(t, path+Suffix) {
		t.Error("what was passed over is gone")
	}
	// Without the lane that was open it is read anew: as the one line that it is now.
	next := mustTake(t, f)
	if n, told := next.Bad(); n != 1 {
		t.Errorf("%v are told of", told)
	}
	if err := finish(next, keepNone); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || len(got) == 0 || exists(t, path+Suffix) {
		t.Errorf("%q, %v", got, err)
	}
}
