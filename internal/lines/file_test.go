package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// prefix is how the lines of these tests begin.
const prefix = `{"name":"`

// line returns one line.
func line(name string) string { return prefix + name + `","kind":"Line"}` + "\n" }

// linesOf encodes a line for each name.
func linesOf(names ...string) func([]byte) []byte {
	var all strings.Builder
	for _, name := range names {
		all.WriteString(line(name))
	}
	return text(all.String())
}

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	s, err := OpenFile(path, prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustWrite(t *testing.T, s *File, names ...string) {
	t.Helper()
	if err := s.Write(t.Context(), linesOf(names...)); err != nil {
		t.Fatal(err)
	}
}

// namesIn reads the file, which must hold whole lines only.
func namesIn(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 && content[len(content)-1] != '\n' {
		t.Fatalf("%s ends in an unfinished line", path)
	}
	var names []string
	for l := range bytes.Lines(content) {
		var got struct{ Name string }
		if err := json.Unmarshal(l, &got); err != nil {
			t.Fatalf("%v: %.300q", err, l)
		}
		names = append(names, got.Name)
	}
	return names
}

// holds checks which lines the file holds, in order.
func holds(t *testing.T, path, want string) {
	t.Helper()
	if got := strings.Join(namesIn(t, path), " "); got != want {
		t.Errorf("%s holds %.300q, want %.300q", filepath.Base(path), got, want)
	}
}

func TestOpenAppendsAndIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	for _, name := range []string{"a", "b"} {
		s, err := OpenFile(path, prefix)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, s, name)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, path, "a b")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("created with mode %v", info.Mode())
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	taken, elsewhere := filepath.Join(dir, "taken"), filepath.Join(dir, "elsewhere")
	mustOpen(t, taken)
	linked := filepath.Join(dir, "linked")
	if err := os.Link(taken, linked); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { // as another process does
		t.Fatal(err)
	}
	readOnly := filepath.Join(dir, "readonly")
	if err := os.WriteFile(readOnly, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path, want string
		skip             bool
	}{
		{"no folder", filepath.Join(dir, "none", "out"), "no such file or directory: create its folder first", false},
		{"a folder", dir, "is a directory: name a file in it", false},
		{"below a file", filepath.Join(taken, "out"), "not a directory", false},
		{"no permission", readOnly, "permission denied: let user " + strconv.Itoa(os.Getuid()) + " write", os.Getuid() == 0},
		{"in use", elsewhere, "another process appends to it: give each its own file", false},
		{"open already", taken, "this program writes to it already: two of --sink, or --dead-letter, name one file", false},
		{"open already by another name", linked, "this program writes to it already", false},
		{"a pipe that nobody reads", fifo, "nobody reads from it", false},
		{"no path", "", "no such file", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.skip {
				t.Skip("root may write anywhere")
			}
			_, err := OpenFile(tt.path, prefix)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), strconv.Quote(tt.path)) {
				t.Errorf("error %q, want the path and %q", err, tt.want)
			}
			if got, want := errors.Is(err, spec.ErrInUse), tt.path == elsewhere; got != want {
				t.Errorf("%v: waiting helps: %t, want %t", err, got, want)
			}
		})
	}
}

func TestOpenRepairsWhatACrashLeft(t *testing.T) {
	whole := strings.TrimSuffix(line("whole"+strings.Repeat("y", 200)), "\n")
	const foreign = "# kept by hand\n"
	for _, tt := range []struct{ name, before, want string }{
		{"empty", "", ""},
		{"whole lines", foreign + whole + "\n", foreign + whole + "\n"},
		{"one byte of a line", whole + "\n{", whole + "\n"},
		{"the beginning of a line", foreign + whole[:20], foreign},
		{"most of a line", whole + "\n" + whole[:len(whole)-1], whole + "\n"},
		{"nothing but half a line", whole[:len(whole)/2], ""},
		{"a line without its line end", whole, whole + "\n"},
		{"somebody's unfinished line", foreign + "last words", foreign + "last words\n"},
		{"somebody's own unfinished object", `{"named":"x"`, `{"named":"x"` + "\n"},
		{"somebody's unfinished JSON", foreign + `{"na":`, foreign + `{"na":` + "\n"},
		{"an empty last line", "\n\n", "\n\n"},
		{"an unfinished line longer than a chunk", foreign + whole[:len(whole)-1] + strings.Repeat("x", 200<<10), foreign},
		{"a line end just before the chunk", foreign + whole[:100] + strings.Repeat("y", 64<<10-100), foreign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, mustOpen(t, path), "next")
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if want := tt.want + line("next"); string(got) != want {
				t.Errorf("got  %.400q\nwant %.400q", got, want)
			}
		})
	}
}

func TestOpenLeavesAnEndlessLineAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte(prefix), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxTail+100); err != nil { // a hole: no disk used
		t.Fatal(err)
	}
	mustOpen(t, path)
	if info, err := os.Stat(path); err != nil || info.Size() != maxTail+101 {
		t.Errorf("size %d, %v; want one line end more", info.Size(), err)
	}
}

func TestReopenAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := mustOpen(t, path)
	mustWrite(t, s, "a")
	s.Reopen() // of a file that nobody renamed
	mustWrite(t, s, "b")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "c") // rotated, but nobody has told us yet
	s.Reopen()
	mustWrite(t, s, "d")
	holds(t, path+".1", "a b c")
	holds(t, path, "d")

	// The rotated file is free again, the new one is not.
	other := mustOpen(t, path+".1")
	mustWrite(t, other, "x")
	if _, err := OpenFile(path, prefix); err == nil {
		t.Error("the new file is opened twice")
	}
}

func TestReopenKeepsTryingAndWritesNowhereElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "out")
	s := mustOpen(t, path)
	mustWrite(t, s, "a")
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	s.Reopen()
	for range 2 {
		if err := s.Write(t.Context(), linesOf("b")); err == nil || !strings.Contains(err.Error(), "create its folder first") {
			t.Errorf("Write without a folder = %v", err)
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "b")
	holds(t, filepath.Join(dir+".old", "out"), "a")
	holds(t, path, "b")
}

func TestADeletedFileIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := mustOpen(t, path)
	mustWrite(t, s, "a")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "b")
	holds(t, path, "b")
}

func TestATruncatedFileIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := mustOpen(t, path)
	mustWrite(t, s, "a", "b")
	if err := os.Truncate(path, 0); err != nil { // logrotate's copytruncate
		t.Fatal(err)
	}
	mustWrite(t, s, "c")
	holds(t, path, "c")
}
