package smallfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

func TestOnlySmallRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"fits": "12345678", "large": "123456789"} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("fits", at("link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"large": "more than 8 bytes", "pipe": "no regular file", "": "no regular file", "missing": "no such file"} {
		if text, err := smallfile.Read(at(name), 8); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %q, %v, want an error with the path and %q", name, text, err, want)
		}
	}
	for _, name := range []string{"fits", "link"} {
		if text, err := smallfile.Read(at(name), 8); err != nil || string(text) != "12345678" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
