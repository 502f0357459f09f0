package lines

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// These name environment variables that turn the test binary into a process
// that writes to the path in them: until it is killed, or past a limit.
const (
	crashPath = "FAIRLEAD_TEST_CRASH_PATH"
	limitPath = "FAIRLEAD_TEST_LIMIT_PATH"
)

// writeUntilKilled writes batches for ever and says on stdout which have been
// accepted.
func writeUntilKilled(path string) error {
	s, err := OpenFile(path, prefix)
	if err != nil {
		return err
	}
	for n := 0; ; n += 20 {
		var batch strings.Builder
		for i := range 20 {
			batch.WriteString(line(strconv.Itoa(n+i) + " " + strings.Repeat("x", 50_000)))
		}
		if err := s.Write(context.Background(), text(batch.String())); err != nil {
			return err
		}
		fmt.Println(n + 20)
	}
}

// TestKilledWhileWriting kills a process in the middle of its writes: what it
// said was accepted is there, and after OpenFile there are whole lines only.
func TestKilledWhileWriting(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out")
	for round := range 4 {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), crashPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		accepted := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the writer says %q", lines.Text())
			}
			accepted = n
			if accepted == 20*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // "signal: killed"

		s, err := OpenFile(path, prefix)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		got := namesIn(t, path)
		if len(got) < accepted {
			t.Fatalf("%d lines, but %d were accepted", len(got), accepted)
		}
		for i, name := range got {
			if n, _, _ := strings.Cut(name, " "); n != strconv.Itoa(i) {
				t.Fatalf("line %d is the one of %s", i, n)
			}
		}
	}
}

// writePastALimit lets the kernel cut a batch short, then lifts the limit.
func writePastALimit(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := OpenFile(path, prefix)
	if err != nil {
		return err
	}
	if err := s.Write(context.Background(), linesOf("a")); err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	before := limit.Cur
	limit.Cur = 1000 // in the middle of the batch
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := s.Write(context.Background(), linesOf("b", "c", "d")); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("write past the limit: %w", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != int64(len(line("a"))) {
		return fmt.Errorf("after the limit: %v, %w", info, err)
	}
	limit.Cur = before
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	return s.Write(context.Background(), linesOf("b", "c", "d"))
}

// TestTheKernelCutsABatchShort is [TestAFullDiskLeavesNothingBehind] with a
// real short write.
func TestTheKernelCutsABatchShort(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out")
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), limitPath+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	holds(t, path, "a b c d")
}
