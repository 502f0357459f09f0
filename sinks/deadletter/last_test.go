package deadletter

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestLastRecordOfAnObject(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	f := mustOpen(t, path)
	key := pod("a").Key
	if all, err := f.Last(t.Context(), key, "file:x"); len(all) > 0 || err != nil {
		t.Errorf("of an empty file: %v, %v", all, err)
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
		all, err := f.Last(t.Context(), key, "file:x")
		if r, ok := all["file:x"]; err != nil || ok != (want != "") || r.Reason != want {
			t.Errorf("last: %q, %v, %v; want %q", r.Reason, ok, err, want)
		}
	}
	last("the newest")
	taken := mustTake(t, f) // which are being sent again
	last("the newest")
	mustWrite(t, f, "b")
	last("the newest")
	if err := finish(taken, keepNone); err != nil {
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
	if all, err := f.Last(t.Context(), pod("a").Key, "file:x"); len(all) > 0 || err != nil {
		t.Errorf("what is far from the end was read: %v, %v", all, err)
	}
	mustWrite(t, f, "d")
	if all, err := f.Last(t.Context(), pod("d").Key, "file:x"); len(all) != 1 || err != nil {
		t.Errorf("what is at the end was not found: %v, %v", all, err)
	}
}

// Only lines that name the object are parsed, and none after who asked has gone.
func TestLastEndsWithItsContext(t *testing.T) {
	f := mustOpen(t, filepath.Join(t.TempDir(), "dead.jsonl"))
	mustWrite(t, f, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if all, err := f.Last(ctx, pod("a").Key, "file:x"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", all, err)
	}
}

// What the file itself has needs none of the others, however many and long they are.
func TestLastReadsTheNewestFileFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	f := mustOpen(t, path)
	mustWrite(t, f, "a")
	taken := mustTake(t, f)
	if err := f.Write("file:x", pod("a"), errors.New("the newest"), 3); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := 1 // lines that are read until ctx ends
	limit := hooked{ctx, func() {
		if left--; left < 0 {
			cancel()
		}
	}}
	all, err := f.Last(limit, pod("a").Key, "file:x")
	if err != nil || all["file:x"].Reason != "the newest" {
		t.Errorf("%v, %v", all, err)
	}
	// Of another sink the others are searched. What has been found is told, although ctx ends.
	left = 1
	all, err = f.Last(limit, pod("a").Key, "file:x", "file:other")
	if !errors.Is(err, context.Canceled) || all["file:x"].Reason != "the newest" || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if err := finish(taken, keepNone); err != nil {
		t.Error(err)
	}
}
