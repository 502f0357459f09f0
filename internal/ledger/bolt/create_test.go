//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// wantAlone checks that the ledger is all that there is in its folder.
func wantAlone(t *testing.T, when, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{filepath.Base(path)}) {
		t.Errorf("%s: files %q", when, names)
	}
}

// What a crash has left of a ledger that was being made goes away with the next
// one.
func TestCreateAfterACrash(t *testing.T) {
	whole, _, _ := sample(t)
	for when, left := range map[string][]byte{"nothing in it": {}, "half": []byte("half"), "all of it": whole} {
		path := filepath.Join(t.TempDir(), "fairlead.ledger")
		other := filepath.Join(t.TempDir(), "other")
		if err := errors.Join(os.WriteFile(other, left, 0o600), os.Link(other, path+newSuffix)); err != nil {
			t.Fatal(err)
		}
		mustClose(t, mustOpen(t, path))
		wantAlone(t, when, path)
		if text, err := os.ReadFile(other); len(left) > 0 && (err != nil || !slices.Equal(text, left)) {
			t.Errorf("%s: it was written to by another name: %d bytes, %v", when, len(text), err)
		}
	}
}

// The name may be somebody else's: nothing is followed, nor waited for.
func TestCreateBesideSomethingElse(t *testing.T) {
	for what, make := range map[string]func(name, other string) error{
		"a link":            func(name, other string) error { return os.Symlink(other, name) },
		"a link to nothing": func(name, other string) error { return os.Symlink(other+"-2", name) },
		"a pipe":            func(name, _ string) error { return syscall.Mkfifo(name, 0o600) },
		"a folder":          func(name, _ string) error { return os.Mkdir(name, 0o700) },
	} {
		path := filepath.Join(t.TempDir(), "fairlead.ledger")
		other := filepath.Join(t.TempDir(), "other")
		if err := errors.Join(os.WriteFile(other, []byte("precious"), 0o600), make(path+newSuffix, other)); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(path); err == nil {
			mustClose(t, s)
			t.Errorf("%s: it was opened", what)
		}
		if text, err := os.ReadFile(other); string(text) != "precious" {
			t.Errorf("%s: %q, %v", what, text, err)
		}
		wantAlone(t, what, other)
	}
}

// What another process is at work on is left alone.
func TestCreateWhileAnotherDoes(t *testing.T) {
	t.Parallel() // it waits
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	f, err := os.Create(path + newSuffix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	if err := lock(f, true, lockPatience); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	wantAdvice(t, "while another makes one", err, path, ErrLocked, "end that one first")
	if text, err := os.ReadFile(f.Name()); string(text) != "half" {
		t.Errorf("%q, %v", text, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, path))
	wantAlone(t, "when the other has ended", path)
}

// Of those who make a ledger at the same time one has it.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel() // it waits
	var paths [5]string
	var stores [len(paths)][4]*Store
	var errs [len(paths)][4]error
	start := make(chan struct{})
	var wg sync.WaitGroup
	for p := range paths {
		paths[p] = filepath.Join(t.TempDir(), "fairlead.ledger")
		for i := range stores[p] {
			wg.Go(func() {
				<-start
				stores[p][i], errs[p][i] = Open(paths[p])
			})
		}
	}
	close(start)
	wg.Wait()
	for p, path := range paths {
		opened := 0
		for i, s := range stores[p] {
			if err := errs[p][i]; err != nil {
				wantAdvice(t, "one that was slower", err, path, ErrLocked, "end that one first")
				continue
			}
			opened++
			mustClose(t, s)
		}
		if opened != 1 {
			t.Errorf("%d have it", opened)
		}
		wantAlone(t, "made at once", path)
	}
}

// Whatever the instant at which the first process is killed, the second opens a
// ledger and leaves nothing else.
func TestKilledCreate(t *testing.T) {
	t.Parallel()
	rounds, made, left := 40, 0, 0
	if testing.Short() {
		rounds = 10
	}
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "fairlead.ledger")
		c := startChild(t, "create", path)
		c.line(t)
		// The instant is not exact, and no assertion depends on it.
		timer := time.AfterFunc(time.Duration(round)*50*time.Microsecond, func() { _ = c.cmd.Process.Kill() })
		for c.out.Scan() {
			made++
		}
		timer.Stop()
		c.kill()
		if _, err := os.Stat(path + newSuffix); err == nil {
			left++
		}
		mustClose(t, mustOpen(t, path))
		wantAlone(t, "after a kill", path)
	}
	t.Logf("%d rounds: %d ledgers were made before the kill, %d times something was left", rounds, made, left)
}
