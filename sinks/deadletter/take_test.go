package deadletter

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mustTake(t *testing.T, f *File) *Taken {
	t.Helper()
	taken, err := f.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if taken == nil {
		t.Fatal("there is nothing to take")
	}
	return taken
}

// finish ends all lanes, of which there is one in most tests.
func finish(taken *Taken, keep func(i int) bool) (err error) {
	for lane := range taken.Lanes() {
		err = errors.Join(err, taken.Finish(context.Background(), lane, keep))
	}
	return err
}

func keepAll(int) bool  { return true }
func keepNone(int) bool { return false }

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestWhatWasSentLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	if taken, err := f.Take(t.Context()); taken != nil || err != nil {
		t.Fatalf("of an empty file was taken: %v, %v", taken, err)
	}
	mustWrite(t, f, "a", "b", "c", "d")
	taken := mustTake(t, f)
	holds(t, path+Suffix, "a b c d")
	mustWrite(t, f, "e") // refused meanwhile
	holds(t, path, "e")
	if err := finish(taken, func(i int) bool { return i%2 == 1 }); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "e b d")
	if exists(t, path+Suffix) {
		t.Error("what was taken is still there")
	}
	if err := finish(mustTake(t, f), keepNone); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "")
	mustWrite(t, f, "f")
	holds(t, path, "f")
}

func TestManyLinesArePutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	var want []string
	for _, name := range strings.Split("abcdefg", "") {
		c := pod(name)
		c.Object = []byte(`{"k":"` + strings.Repeat("x", chunk/3) + `"}`)
		if name == "d" {
			c.Object = []byte(`{"k":"` + strings.Repeat("x", 2*chunk) + `"}`)
		}
		if err := f.Write("file:x", c, errRefused, 1); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	if err := finish(mustTake(t, f), keepAll); err != nil {
		t.Fatal(err)
	}
	holds(t, path, strings.Join(want, " "))
}

// TestACrashLosesNothing puts the files into each state that a crash can leave
// behind, and starts anew.
func TestACrashLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dead")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, f, "a", "b", "c")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	a, b, c := whole[0], whole[1], whole[2]+"\n"
	const none = "no file"
	for _, tt := range []struct{ what, path, retrying, want string }{
		{"before the renaming", a + b, none, "a b"},
		{"just after it", none, a + b, "a b"},
		{"with a new file", "", a + b, "a b"},
		{"with more refused meanwhile", c, a + b, "c a b"},
		{"while that is written", c + a[:len(a)/2], a + b, "c a b"},
		{"while some is put back", c + a + b[:5], a + b, "c a a b"},
		{"before what was put back is removed", c + b, a + b, "c b a b"},
	} {
		path := filepath.Join(t.TempDir(), "dead")
		for at, content := range map[string]string{path: tt.path, path + Suffix: tt.retrying} {
			if content == none {
				continue
			}
			if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		taken := mustTake(t, f)
		t.Log(tt.what)
		holds(t, path+Suffix, tt.want)
		if err := errors.Join(finish(taken, keepAll), f.Close()); err != nil {
			t.Error(err)
		}
		holds(t, path, tt.want)
	}
}

// TestWhatCannotBePutBackStays lets the file be one that cannot be written to.
func TestWhatCannotBePutBackStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	mustWrite(t, f, "a", "b")
	taken := mustTake(t, f)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := finish(taken, func(i int) bool { return i == 1 }); err == nil {
		t.Error("Finish had nowhere to put it")
	}
	holds(t, path+Suffix, "b")
	if _, err := f.Take(t.Context()); err == nil {
		t.Error("Take had nowhere to put it")
	}
	holds(t, path+Suffix, "b")
	if err := f.Write("file:x", pod("c"), errRefused, 1); err == nil {
		t.Error("Write had nowhere to put it")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, f, "c")
	if err := finish(mustTake(t, f), keepAll); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "c b")
}

// TestAFolderThatWentAway leaves the open file where it is.
func TestAFolderThatWentAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "dead")
	f := mustOpen(t, path)
	mustWrite(t, f, "a")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if taken, err := f.Take(t.Context()); taken != nil {
		t.Errorf("taken from nowhere: %v", err)
	}
	mustWrite(t, f, "b") // goes on where it was
	holds(t, filepath.Join(dir+".away", "dead"), "a b")
}
