package testdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/loopback"
)

// Server is a server that runs, or did.
type Server struct {
	// Dir is a folder of the server's own, which it may write to.
	Dir string

	name    string
	port    *loopback.Port
	command func() *exec.Cmd
	ready   func(ctx context.Context) error // reports why it is not
	process *child.Process
}

// startTimeout is how long a server may take to be ready.
const startTimeout = time.Minute

// newServer returns a server that does not run yet, with a folder and a port. Both end
// with the test, after the server.
func newServer(t testing.TB, name string) *Server {
	t.Helper()
	dir := tempDir(t, name)
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := port.Release(); err != nil {
			t.Error(err)
		}
	})
	s := &Server{Dir: dir, name: name, port: port}
	t.Cleanup(func() {
		if err := s.kill(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Give gives a file or folder to the user that servers run as.
func Give(t testing.TB, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

// File writes a file that servers can read, such as a certificate or its key, and
// returns its path. It is removed after the test.
func File(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(tempDir(t, "file"), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	Give(t, path)
	return path
}

// tempDir makes a folder that servers can read and write, and that is removed after the
// test. It is not below the test's own: sockets need short paths, and a server that is
// not root could not get there.
func tempDir(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fairlead-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	Give(t, dir)
	return dir
}

// Addr is host and port of the server.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port.Number) }

// Start starts the server, on the port that it has had, and returns when it is ready.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	var err error
	if s.process, err = child.Start(s.name, s.command(), filepath.Join(s.Dir, "log")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		wrong := s.ready(ctx)
		if wrong == nil {
			return
		}
		select {
		case <-again.C:
		case <-s.process.Exited():
			t.Fatal(s.process.EndedByItself())
		case <-ctx.Done():
			t.Fatalf("%s is not ready: %v; the end of its log:\n%s", s.name, wrong, s.process.LogTail())
		}
	}
}

// dial connects to the server, which has until the end of ctx to answer.
func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return nil, err
	}
	if limit, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(limit); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// Kill ends the server as kill -9 does. Connections are refused until Start.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
}

// kill returns when the server and the processes that it has made are gone: until
// then they hold its data.
func (s *Server) kill() error {
	if !s.process.Running() {
		return nil
	}
	children := childrenOf(s.process.Pid())
	errs := []error{s.process.Kill()}
	for _, pid := range children {
		errs = append(errs, endOther(pid))
	}
	return errors.Join(errs...)
}

// Pause freezes the server and the processes that it has made: it is silent.
// Connections are still accepted, by the kernel.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	if err := s.process.Pause(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range childrenOf(s.process.Pid()) { // no more of them come
		if err := signalOther(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if err := awaitOther(pid, "stopped", stopped); err != nil { // until then it may answer
			t.Fatal(err)
		}
	}
}

// Resume ends a pause.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	for _, pid := range childrenOf(s.process.Pid()) {
		if err := signalOther(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.process.Resume(); err != nil {
		t.Fatal(err)
	}
}

// signalOther sends a signal to a process that may have ended.
func signalOther(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", s, pid, err)
	}
	return nil
}

// endOther kills a process that is nobody's child any more, and returns when it is
// gone.
func endOther(pid int) error {
	if err := signalOther(pid, syscall.SIGKILL); err != nil {
		return err
	}
	return awaitOther(pid, "ended", gone)
}

// awaitOther waits until that is so of a process, which is nobody's child here.
func awaitOther(pid int, what string, is func(pid int) bool) error {
	limit := time.After(startTimeout)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !is(pid) {
		select {
		case <-again.C:
		case <-limit:
			return fmt.Errorf("process %d has not %s %v after its signal", pid, what, startTimeout)
		}
	}
	return nil
}

// runAs runs a command of a server to its end.
func runAs(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, output)
	}
}
