package lines

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// faulty is a file that fails as it is told.
type faulty struct {
	locked
	room       int   // bytes that still fit
	sync, trim error // of Sync and Truncate
	calls      []string
}

var errNoSpace = errors.New("no space left on device")

func (f *faulty) Write(p []byte) (int, error) {
	f.calls = append(f.calls, "write")
	n, err := f.File.Write(p[:min(f.room, len(p))])
	f.room -= n
	if err == nil && n < len(p) {
		err = errNoSpace
	}
	return n, err
}

func (f *faulty) Sync() error {
	f.calls = append(f.calls, "sync")
	if f.sync != nil {
		return f.sync
	}
	return f.File.Sync()
}

func (f *faulty) Truncate(size int64) error {
	f.calls = append(f.calls, "truncate")
	if f.trim != nil {
		return f.trim
	}
	return f.File.Truncate(size)
}

func (f *faulty) took() string {
	calls := strings.Join(f.calls, " ")
	f.calls = nil
	return calls
}

// openFaulty returns a File on a path that holds "a".
func openFaulty(t *testing.T) (*File, *faulty, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	s := mustOpen(t, path)
	mustWrite(t, s, "a")
	f := &faulty{locked: s.f.(locked), room: 1 << 30}
	s.f = f
	return s, f, path
}

func TestOneWriteAndOneSyncForEachCall(t *testing.T) {
	s, f, path := openFaulty(t)
	mustWrite(t, s, "b", "c", "d")
	if got := f.took(); got != "write sync" {
		t.Errorf("calls: %s", got)
	}
	mustWrite(t, s)
	if got := f.took(); got != "" {
		t.Errorf("calls for no lines: %s", got)
	}
	holds(t, path, "a b c d")
}

func TestAFullDiskLeavesNothingBehind(t *testing.T) {
	size := len(line("b"))
	for _, room := range []int{0, 1, 2, size - 1, size, size + 1, 2*size - 2, 2*size - 1} {
		s, f, path := openFaulty(t)
		f.room = room
		err := s.Write(t.Context(), linesOf("b", "c"))
		if !errors.Is(err, errNoSpace) || !strings.Contains(err.Error(), path) {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		holds(t, path, "a")
		f.room = 1 << 20
		mustWrite(t, s, "b", "c")
		holds(t, path, "a b c")
	}
}

func TestAFailedSyncIsNotForgotten(t *testing.T) {
	s, f, path := openFaulty(t)
	f.sync = errors.New("input/output error")
	if err := s.Write(t.Context(), linesOf("b")); !errors.Is(err, f.sync) {
		t.Errorf("Write = %v", err)
	}
	// Not merely synced again: the kernel may have thrown the pages away.
	if got := f.took(); got != "write sync truncate" {
		t.Errorf("calls: %s", got)
	}
	holds(t, path, "a")
	f.sync = nil
	mustWrite(t, s, "b")
	holds(t, path, "a b")
}

func TestNothingIsWrittenBehindATornLine(t *testing.T) {
	s, f, path := openFaulty(t)
	f.room, f.trim = 20, errors.New("input/output error")
	if err := s.Write(t.Context(), linesOf("b")); !errors.Is(err, errNoSpace) || !errors.Is(err, f.trim) {
		t.Errorf("Write = %v, want both errors", err)
	}
	f.took()
	f.room = 1 << 20
	if err := s.Write(t.Context(), linesOf("b")); !errors.Is(err, f.trim) {
		t.Errorf("Write = %v", err)
	}
	if got := f.took(); got != "truncate" {
		t.Errorf("calls: %s", got)
	}
	f.trim = nil
	mustWrite(t, s, "b")
	holds(t, path, "a b")
}

func TestCuttingBackNeverMakesAFileLonger(t *testing.T) {
	s, f, path := openFaulty(t)
	f.room, f.trim = 20, errors.New("input/output error")
	if err := s.Write(t.Context(), linesOf("b")); err == nil {
		t.Fatal("no error")
	}
	f.room, f.trim = 1<<20, nil
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "b")
	holds(t, path, "b") // and no zeros before it
}

func TestReopenLeavesATornFileBehind(t *testing.T) {
	s, f, path := openFaulty(t)
	f.room, f.trim = 20, errors.New("input/output error")
	if err := s.Write(t.Context(), linesOf("b")); err == nil {
		t.Fatal("no error")
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.Reopen()
	mustWrite(t, s, "b")
	holds(t, path, "b")
	// Whoever opens the old one finds it as a crash would have left it.
	mustOpen(t, path+".1")
	holds(t, path+".1", "a")
}

func TestFilesThatAreDevices(t *testing.T) {
	null := mustOpen(t, os.DevNull)
	mustWrite(t, null, "a")
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	full := mustOpen(t, "/dev/full")
	if err := full.Write(t.Context(), linesOf("a")); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Write to a full device = %v", err)
	}
}

func TestFilesThatArePipes(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	path := "/proc/self/fd/" + fdOf(w)
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	s := mustOpen(t, path)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// More than the pipe takes: the write ends with its context, and the next
	// one goes on where it stands.
	big := line("big" + strings.Repeat("x", 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Write(ctx, text(line("a")+big)) }()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Write = %v", err)
	}
	go func() { done <- s.Write(t.Context(), linesOf("b")) }()
	read := bytes.NewBuffer(bytes.Clone(head))
	chunk := make([]byte, 64<<10)
	for !bytes.HasSuffix(read.Bytes(), []byte(line("b"))) {
		n, err := r.Read(chunk)
		if err != nil {
			t.Fatal(err)
		}
		read.Write(chunk[:n])
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	copied := filepath.Join(t.TempDir(), "read")
	if err := os.WriteFile(copied, read.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, copied, "a big"+strings.Repeat("x", 1<<20)+" b")
}

func TestAnEndedContextWritesNothing(t *testing.T) {
	s, f, _ := openFaulty(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Write(ctx, linesOf("b")); !errors.Is(err, context.Canceled) || f.took() != "" {
		t.Errorf("Write = %v", err)
	}
}

func fdOf(f *os.File) string { return strconv.Itoa(int(f.Fd())) }
