package credentials_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/credentials"
)

func write(t testing.TB, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 16<<10)
	for text, want := range map[string]string{
		"s3cret": "s3cret", "s3cret\n": "s3cret", "s3cret\r\n": "s3cret", " a b ": " a b ", "\xff": "\xff", long: long, long + "\r\n": long,
		"": "", "\n": "", "\r\n": "", "s3cret\n\n": "", "s3cret\nother": "", "s3cret\x00": "", "s3cret\r": "", long + "x": "", strings.Repeat(long, 3): "",
	} {
		path := write(t, filepath.Join(dir, "secret"), []byte(text))
		got, err := credentials.Read(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
		if err != nil && (!strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "xxx")) {
			t.Errorf("%.20q: the error does not name the file, or shows what is in it: %v", text, err)
		}
	}
}

// TestReadOfNoFile: none of these blocks, or is read without an end.
func TestReadOfNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{pipe, dir, "/dev/zero", filepath.Join(dir, "none"), ""} {
		if _, err := credentials.Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
