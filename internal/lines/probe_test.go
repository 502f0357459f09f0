package lines

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// What is tried leaves nothing.
func TestTryLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Try(dir, "ledger.check-"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if err := Try(filepath.Join(dir, "none"), "x"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "create its folder") {
		t.Errorf("without a folder: %v", err)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := tryLocks(f); err != nil {
		t.Error(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Name(), nil, 0o600); err != nil { // another file: locks do not meet
		t.Fatal(err)
	}
	if err := tryLocks(f); err == nil || !strings.Contains(err.Error(), "keeps nobody out") {
		t.Errorf("of locks that keep nobody out: %v", err)
	}
}

// What is probed is as it was before, and the errors are those of OpenFile.
func TestProbeLeavesAllAsItIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := Probe(path); err != nil {
		t.Fatalf("a file that is not there yet: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the file was made: %v", err)
	}
	const torn = "{\"a\":1}\n{\"cut"
	if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Probe(path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != torn {
		t.Errorf("%q, %v: the file was changed", text, err)
	}
	f, err := OpenFile(path, "{")
	if err != nil {
		t.Fatalf("a probe keeps the file: %v", err)
	}
	if err := Probe(path); err == nil || !strings.Contains(err.Error(), "writes to it already") {
		t.Errorf("of a file that is in use: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Probe(filepath.Join(dir, "none", "out")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	if err := Probe(dir); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder: %v", err)
	}
	if err := Probe(filepath.Join(path, "out")); err == nil {
		t.Error("a file is no folder")
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Probe(pipe); !errors.Is(err, spec.ErrNotAsked) || !strings.Contains(err.Error(), "a named pipe; not opened") {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := Probe(pipe); !errors.Is(err, spec.ErrNotAsked) {
		t.Errorf("a pipe that is read: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 { // root may write everywhere
		if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // A folder.
			t.Fatal(err)
		}
		if err := Try(dir, "x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "let user") {
			t.Errorf("a folder that may only be read is tried: %v", err)
		}
		if err := os.Chmod(pipe, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := Probe(pipe); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a pipe that may only be read: %v", err)
		}
		if err := Writable(dir); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a folder that may only be read: %v", err)
		}
	}
}
