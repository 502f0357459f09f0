package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/testenv/volume"
)

// A child is this test binary with a task, for what a process of its own is
// needed for.
const childVariable = "FAIRLEAD_LEDGER_TEST_CHILD"

type childProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startChild(t *testing.T, task, path string) *childProcess {
	t.Helper()
	c, err := tryChild(t, task, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryChild(t *testing.T, task, path string, attributes *syscall.SysProcAttr) (*childProcess, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+task+":"+path)
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, attributes
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &childProcess{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(c.kill)
	return c, nil
}

func (c *childProcess) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// line returns the next line that the child prints.
func (c *childProcess) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatal("the child said nothing more")
	}
	return c.out.Text()
}

func (c *childProcess) say(t *testing.T, s string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, s); err != nil {
		t.Fatal(err)
	}
}

func child(what string) int {
	task, path, _ := strings.Cut(what, ":")
	var err error
	switch task {
	case "hold":
		err = childHolds(path)
	case "create":
		err = childCreates(path)
	case "write":
		err = childWrites(path)
	case "compact":
		err = childCompacts(path)
	case "full":
		err = childRunsFull(path)
	case "volume":
		err = childFillsVolume(path)
	default:
		err = errors.New("unknown task " + task)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// childHolds has the ledger open until it is killed.
func childHolds(path string) error {
	if _, err := Open(path); err != nil {
		return err
	}
	fmt.Println("open")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// childCreates makes a ledger and removes it, again and again, and tells each time.
func childCreates(path string) error {
	for {
		fmt.Println("makes one")
		s, err := Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(os.Remove(path), s.Close()); err != nil {
			return err
		}
	}
}

// transaction is the i-th that childWrites applies: enough to grow and shrink
// the tree, and such that the content after each is known.
func transaction(i int) []ledger.Update {
	cursor := fmt.Sprint("cursor ", i%3)
	updates := []ledger.Update{{Cursor: cursor, Head: fmt.Append(nil, i)}}
	if i%17 == 0 {
		updates = []ledger.Update{{Cursor: cursor, Drop: true}, updates[0]}
	}
	last := &updates[len(updates)-1]
	for k := range 40 {
		r := ledger.Record{Key: fmt.Appendf(nil, "key %d", (i*7919+k*104729)%500)}
		if (i+k)%3 != 0 {
			r.Value = []byte(strings.Repeat(strconv.Itoa(i), 20))
		}
		last.Records = append(last.Records, r)
	}
	return updates
}

// childWrites applies one transaction after another and tells of each.
func childWrites(path string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	first, err := firstMissing(s)
	if err != nil {
		return err
	}
	for i := first; ; i++ {
		if err := s.Apply(context.Background(), transaction(i)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// childCompacts does so again and again, and tells each time.
func childCompacts(path string) error {
	for {
		if _, _, err := Compact(context.Background(), path); err != nil {
			return err
		}
		fmt.Println("compacted")
	}
}

// childRunsFull writes until its file may not grow, and again when it may. Each
// line it reads is the number of bytes that the file may take.
func childRunsFull(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // as on a full disk, the write just fails
	return writeUntilFull(path, func(n uint64) error {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			return err
		}
		now.Cur = min(n, now.Max)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now)
	})
}

// volumeSize is that of childFillsVolume's volume.
const volumeSize = 8 << 20

// childFillsVolume does the same on a volume of its own, of which something
// else takes the rest.
func childFillsVolume(dir string) error {
	if err := volume.Mount(dir, volumeSize); err != nil {
		return err
	}
	return writeUntilFull(filepath.Join(dir, "fairlead.ledger"), func(n uint64) error {
		return os.WriteFile(filepath.Join(dir, "something else"), make([]byte, volumeSize-n), 0o600)
	})
}

func writeUntilFull(path string, limit func(uint64) error) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	stdin := bufio.NewScanner(os.Stdin)
	ctx, i := context.Background(), 0
	for stdin.Scan() {
		n, err := strconv.ParseUint(stdin.Text(), 10, 64)
		if err != nil {
			return err
		}
		if err := limit(n); err != nil {
			return err
		}
		for done := 0; ; done++ {
			u := transaction(i)
			for k := range 50 { // so that it grows fast
				u[len(u)-1].Records = append(u[len(u)-1].Records, ledger.Record{
					Key: fmt.Appendf(nil, "big %d %d", i%30, k), Value: make([]byte, 1000),
				})
			}
			err := s.Apply(ctx, u)
			if err == nil {
				i++
			}
			if err != nil || done == 100 {
				fmt.Printf("%d %v\n", i, err)
				break
			}
		}
	}
	if err := stdin.Err(); err != nil {
		return err
	}
	n, err := firstMissing(s)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(path); err != nil {
		return err
	}
	again, err := firstMissing(s)
	fmt.Println("at the end", n, again, err)
	return s.Close()
}
