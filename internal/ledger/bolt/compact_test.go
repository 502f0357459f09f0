package bolt

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/ledgertest"
)

// readable returns what a ledger holds, and its file.
func readable(t *testing.T, path string) (ledgertest.Content, os.FileInfo) {
	t.Helper()
	s := mustOpen(t, path)
	defer mustClose(t, s)
	content, err := ledgertest.Read(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return content, info
}

func TestCompact(t *testing.T) {
	file, want, _ := sample(t)
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "fairlead.ledger")
	if err := errors.Join(os.WriteFile(target, file, 0o600), os.Chmod(target, 0o640), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	before, after, err := Compact(t.Context(), path)
	if err != nil || before != int64(len(file)) || after >= before || after == 0 {
		t.Fatalf("from %d to %d bytes, %v; it has %d", before, after, err, len(file))
	}
	got, info := readable(t, path)
	if diff := cmp.Diff(want, got); diff != "" || info.Size() != after || info.Mode().Perm() != 0o640 {
		t.Errorf("%d bytes, %v, content (-want +got):\n%s", info.Size(), info.Mode(), diff)
	}
	link, err := os.Lstat(path)
	if entries, e := os.ReadDir(dir); err != nil || e != nil || len(entries) != 2 || link.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the folder holds %v, the link is %v; %v, %v", entries, link, err, e)
	}
	// It goes on.
	s := mustOpen(t, path)
	if err := s.Apply(t.Context(), transaction(60)); err != nil {
		t.Error(err)
	}
	if p := s.Pages(); p.Free > p.Total/2 {
		t.Errorf("%+v after it was compacted", p)
	}
}

func TestCompactLeavesWhatItCannotRead(t *testing.T) {
	file, _, _ := sample(t)
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	copy(file[3*4096+100:], "junk, junk, junk")
	for i := range file[4*4096 : 40*4096] {
		file[4*4096+i] ^= 0x55
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Compact(t.Context(), path)
	wantAdvice(t, "damaged", err, path, ledger.ErrCorrupt, "restore it from a backup")
	missing := filepath.Join(t.TempDir(), "missing")
	_, _, err = Compact(t.Context(), missing)
	wantAdvice(t, "missing", err, missing, os.ErrNotExist, "check the path")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(file) {
		t.Errorf("the file has changed: %v", err)
	}
}

// Another process waits for the lock meanwhile: it must get the new file.
func TestOpenDuringCompact(t *testing.T) {
	file, want, _ := sample(t)
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	for range 20 {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var s *Store
		s1, err := OpenExisting(path, false)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			var err error
			if s, err = Open(path); err != nil {
				t.Error(err)
			}
		})
		if _, err := s1.compact(t.Context()); err != nil {
			t.Error(err)
		}
		mustClose(t, s1)
		wg.Wait()
		if t.Failed() {
			return
		}
		if err := s.Apply(t.Context(), []ledger.Update{{Cursor: "cursor 1", Head: []byte("after")}}); err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		got, _ := readable(t, path)
		if got["cursor 1"].Head != "after" || len(got) != len(want) {
			t.Fatal("what was written went to a file without a name")
		}
	}
}

func TestCompactWhileAProgramRuns(t *testing.T) {
	t.Parallel() // it waits
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	c := startChild(t, "hold", path)
	c.line(t)
	began := time.Now()
	_, _, err := Compact(t.Context(), path)
	wantAdvice(t, "compact", err, path, ErrLocked, "end that one first")
	t.Log("refused after", time.Since(began))
}

// Whatever the instant at which it is killed, the file is whole, and at most
// one other is left, which the next Compact removes.
func TestKilledCompact(t *testing.T) {
	t.Parallel()
	file, want, _ := sample(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "fairlead.ledger")
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	r := rand.New(rand.NewPCG(8, 8))
	left := 0
	for round := range rounds {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		c := startChild(t, "compact", path)
		if round%2 == 0 { // else it is killed during the first
			c.line(t)
		}
		// The instant is random, and no assertion depends on it.
		timer := time.AfterFunc(time.Duration(r.IntN(30_000))*time.Microsecond, func() { _ = c.cmd.Process.Kill() })
		for c.out.Scan() {
		}
		timer.Stop()
		c.kill()
		if got, _ := readable(t, path); !cmp.Equal(want, got) {
			t.Fatalf("round %d (-want +got):\n%s", round, cmp.Diff(want, got))
		}
		for _, e := range must(os.ReadDir(dir))(t) {
			switch e.Name() {
			case "fairlead.ledger":
			case "fairlead.ledger" + compactSuffix:
				left++
			default:
				t.Errorf("round %d: %s is left", round, e.Name())
			}
		}
	}
	t.Logf("killed %d times, of which %d in the middle", rounds, left)
	if _, _, err := Compact(t.Context(), path); err != nil {
		t.Error(err)
	}
	if n := len(must(os.ReadDir(dir))(t)); n != 1 {
		t.Errorf("%d files in the folder afterwards", n)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
