package file

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

func TestMain(m *testing.M) {
	// As a child process, started by one of the tests.
	for name, run := range map[string]func(string) error{crashPath: writeUntilKilled, limitPath: writePastALimit} {
		if path := os.Getenv(name); path != "" {
			if err := run(path); err != nil {
				fmt.Println(err)
			}
			return // without running any test
		}
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) (pipeline.Sink, func() []pipeline.Event) {
		path := filepath.Join(t.TempDir(), "changes.jsonl")
		return mustOpen(t, path), func() []pipeline.Event { return events(t, path) }
	})
}

var podOrigin = &pipeline.Origin{
	Cluster: "alpha", Kind: "Pod", Namespaced: true,
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
}

func pod(name string) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name},
		Origin: podOrigin, Op: pipeline.Added, UID: "u-1", ResourceVersion: "7", Object: []byte(`{"kind":"Pod"}`),
	}
}

func batchOf(names ...string) []*pipeline.Change {
	var batch []*pipeline.Change
	for _, name := range names {
		batch = append(batch, pod(name))
	}
	return batch
}

func mustOpen(t *testing.T, path string) *Sink {
	t.Helper()
	s, err := Open(path)
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

func mustWrite(t *testing.T, s *Sink, names ...string) {
	t.Helper()
	if err := s.Write(t.Context(), batchOf(names...)); err != nil {
		t.Fatal(err)
	}
}

// events reads the file, which must hold whole events only.
func events(t *testing.T, path string) []pipeline.Event {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		t.Fatalf("%s ends in an unfinished line", path)
	}
	var all []pipeline.Event
	for line := range bytes.Lines(text) {
		e, err := pipeline.ParseEvent(line)
		if err != nil {
			t.Fatalf("%v: %.300q", err, line)
		}
		all = append(all, e)
	}
	return all
}

// holds checks which objects the file tells of, in order.
func holds(t *testing.T, path, want string) {
	t.Helper()
	var names []string
	for _, e := range events(t, path) {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s tells of %q, want %q", filepath.Base(path), got, want)
	}
}

func TestOpenAppendsAndIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	for _, name := range []string{"a", "b"} {
		s, err := Open(path)
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
	taken := filepath.Join(dir, "taken")
	mustOpen(t, taken)
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
		{"in use", taken, "another process appends to it: give each its own file", false},
		{"a pipe that nobody reads", fifo, "nobody reads from it", false},
		{"no path", "", "no such file", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.skip {
				t.Skip("root may write anywhere")
			}
			_, err := Open(tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), strconv.Quote(tt.path)) {
				t.Errorf("error %q, want the path and %q", err, tt.want)
			}
		})
	}
}

func TestOpenRepairsWhatACrashLeft(t *testing.T) {
	whole := string(pod("whole").AppendCloudEvent(nil))
	if !strings.HasPrefix(whole, eventStart) {
		t.Fatalf("events begin with %.60s, not with %s", whole, eventStart)
	}
	const foreign = "# kept by hand\n"
	for _, tt := range []struct{ name, before, want string }{
		{"empty", "", ""},
		{"whole lines", foreign + whole + "\n", foreign + whole + "\n"},
		{"one byte of an event", whole + "\n{", whole + "\n"},
		{"the beginning of an event", foreign + whole[:20], foreign},
		{"most of an event", whole + "\n" + whole[:len(whole)-1], whole + "\n"},
		{"nothing but half an event", whole[:len(whole)/2], ""},
		{"an event without its line end", whole, whole + "\n"},
		{"somebody's unfinished line", foreign + "last words", foreign + "last words\n"},
		{"somebody's own unfinished event", `{"specversion":"1.0","type":"com.example.x"`, `{"specversion":"1.0","type":"com.example.x"` + "\n"},
		{"somebody's unfinished JSON", foreign + `{"spec":`, foreign + `{"spec":` + "\n"},
		{"an empty last line", "\n\n", "\n\n"},
		{"an unfinished event longer than a chunk", foreign + whole[:len(whole)-1] + strings.Repeat("x", 200<<10), foreign},
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
			if want := tt.want + string(pod("next").AppendCloudEvent(nil)) + "\n"; string(got) != want {
				t.Errorf("got  %.400q\nwant %.400q", got, want)
			}
		})
	}
}

func TestOpenLeavesAnEndlessLineAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte(eventStart), 0o600); err != nil {
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
	if _, err := Open(path); !errors.Is(err, errLocked) {
		t.Errorf("a second Open = %v", err)
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
		if err := s.Write(t.Context(), batchOf("b")); err == nil || !strings.Contains(err.Error(), "create its folder first") {
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
