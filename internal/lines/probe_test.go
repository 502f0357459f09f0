package lines

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

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
	if err := Probe(pipe); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
	if os.Getuid() != 0 { // root may write everywhere
		if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // A folder.
			t.Fatal(err)
		}
		if err := Writable(dir); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a folder that may only be read: %v", err)
		}
	}
}
