package volume

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The volume is empty at first, and full once it has its bytes.
func TestInside(t *testing.T) {
	const size = 1 << 20
	Inside(t, size, func(t *testing.T, dir string) {
		if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
			t.Errorf("it holds %v, %v", files, err)
		}
		file, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		written := 0
		for err == nil && written <= size {
			var n int
			n, err = file.Write(make([]byte, 4096))
			written += n
		}
		if !errors.Is(err, syscall.ENOSPC) || written == 0 {
			t.Errorf("after %d bytes: %v", written, err)
		}
	})
}

// A test whose body fails inside fails, and says what the body has said.
func TestWhatFailsInside(t *testing.T) {
	const variable = "FAIRLEAD_TEST_FAILS_INSIDE"
	if os.Getenv(variable) != "" {
		Inside(t, 1<<20, func(t *testing.T, _ string) { t.Error("what the body says") })
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+exactly(t.Name()), "-test.v")
	command.Env = append(os.Environ(), variable+"=1")
	said, err := command.CombinedOutput()
	if strings.Contains(string(said), "--- SKIP") {
		t.Skip(string(said))
	}
	if err == nil || !strings.Contains(string(said), "what the body says") {
		t.Errorf("%v\n%s", err, said)
	}
}

// The process reads what the test does: for root that is what others have for themselves, such as
// a cache of modules that somebody else owns.
func TestWhatInsideReads(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root reads the files of others")
	}
	const variable = "FAIRLEAD_TEST_OF_ANOTHER_USER"
	file := os.Getenv(variable)
	if file == "" {
		file = filepath.Join(t.TempDir(), "private")
		if err := os.WriteFile(file, []byte("private"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, 4242, 4242); err != nil {
			t.Skip("there are no other users here: ", err)
		}
		t.Setenv(variable, file)
	}
	Inside(t, 1<<20, func(t *testing.T, _ string) {
		if text, err := os.ReadFile(file); string(text) != "private" {
			t.Errorf("%q, %v", text, err)
		}
	})
}
