package deadletter

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestLastRecordOfAnObject(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	f := mustOpen(t, path)
	key := pod("a").Key
	if _, ok, err := f.Last("file:x", key); ok || err != nil {
		t.Errorf("of an empty file: %v, %v", ok, err)
	}
	mustWrite(t, f, "a", "b", "a")
	if err := f.Write("file:x", pod("a"), errors.New("the newest"), 3); err != nil {
		t.Fatal(err)
	}
	if err := f.Write("file:other", pod("a"), errors.New("another sink"), 3); err != nil {
		t.Fatal(err)
	}
	last := func(want string) {
		t.Helper()
		r, ok, err := f.Last("file:x", key)
		if err != nil || ok != (want != "") || r.Reason != want {
			t.Errorf("last: %q, %v, %v; want %q", r.Reason, ok, err, want)
		}
	}
	last("the newest")
	taken := mustTake(t, f) // which are being sent again
	last("the newest")
	mustWrite(t, f, "b")
	last("the newest")
	if err := taken.Finish(func(int) bool { return false }); err != nil {
		t.Fatal(err)
	}
	last("")
}

// No more is read than the end of a file, which begins within a line.
func TestLastReadsTheEndOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	f := mustOpen(t, path)
	mustWrite(t, f, "a")
	large := pod("large")
	large.Object = []byte(`{"kind":"Pod","x":"` + strings.Repeat("a", mostSearched) + `"}`)
	if err := f.Write("file:x", large, errRefused, 1); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := f.Last("file:x", pod("a").Key); ok || err != nil {
		t.Errorf("what is far from the end was read: %v, %v", ok, err)
	}
	mustWrite(t, f, "d")
	if _, ok, err := f.Last("file:x", pod("d").Key); !ok || err != nil {
		t.Errorf("what is at the end was not found: %v, %v", ok, err)
	}
}
