package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// asChild is the environment variable that makes the test program something
// else, for tests in which processes end.
const asChild = "FAIRLEAD_TEST_CHILD"

func runAs(task string, args []string) error {
	switch task {
	case "fairlead":
		return runChild(args)
	case "keeper":
		return runKeeper(args[0], args[1], args[2:])
	case "program":
		return runProgram(args)
	case "plugin":
		return runPlugin(args)
	case "readers":
		return runReaders(args[0], args[1])
	}
	return errors.New("unknown task " + task)
}

// runChild is fairlead's main, with one more kind of sink. It ends with its
// parent.
func runChild(args []string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	command := NewCommand(Options{Version: "test", Sinks: sinks.Kinds{testKind("stamps", openStamps), testKind("register", openRegister)}})
	command.SetArgs(args)
	return command.ExecuteContext(ctx)
}

// stamps is a sink in a folder that has no lock: each change is a line with the
// number of the process that wrote it. The process whose number is in the file
// "stop" takes that away while it writes, waits for a file "gathered", stops itself
// as SIGSTOP does, and goes on writing as soon as there is a file "go".
type stamps struct {
	dir string
	f   *os.File
}

func openStamps(dir string) (pipeline.Sink, error) {
	f, err := os.OpenFile(filepath.Join(dir, "stamps"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &stamps{dir, f}, err
}

func (s *stamps) Write(ctx context.Context, batch []*pipeline.Change) error {
	for _, c := range batch {
		if _, err := fmt.Fprintf(s.f, "%d %s %s\n", os.Getpid(), c.Key.Name, c.ResourceVersion); err != nil {
			return err
		}
	}
	stop := filepath.Join(s.dir, "stop")
	text, _ := os.ReadFile(stop) // it need not be there
	if string(text) != fmt.Sprint(os.Getpid()) {
		return nil
	}
	if err := os.Remove(stop); err != nil {
		return err
	}
	err := wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(context.Context) (bool, error) {
		return exists(filepath.Join(s.dir, "gathered")), nil
	})
	if err != nil {
		return err
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	// The file is there when the process goes on, so this spins no longer than it
	// takes to stop. No timer: those of the election would be due before.
	for !exists(filepath.Join(s.dir, "go")) {
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// child is fairlead in a process of its own.
type child struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string // of its status
	log     string // path
	exited  chan struct{}
}

// startChild starts `fairlead run` with flags, until the test ends at the latest.
func startChild(t *testing.T, flags ...string) *child {
	t.Helper()
	c := &child{t: t, address: freeAddress(t), log: filepath.Join(t.TempDir(), "log"), exited: make(chan struct{})}
	log := must(os.Create(c.log))(t)
	defer log.Close()
	args := []string{
		"run", "--metrics-bind-address=0", "--admin-bind-address=0", "--health-probe-bind-address=" + c.address,
		"--cluster-qps=0", "--reconnect-min=200ms", "--reconnect-max=1s", "--leader-elect", "--advertise-address=127.0.0.1",
	}
	c.cmd = exec.Command(os.Args[0], append(args, flags...)...)
	c.cmd.Env = append(os.Environ(), asChild+"=fairlead")
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// It ends when this end of its stdin is closed, however this process ends.
	stdin := must(c.cmd.StdinPipe())(t)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.exited)
		_ = c.cmd.Wait() // ProcessState tells
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = c.cmd.Process.Kill() // it may have ended
		<-c.exited
		if t.Failed() {
			text, _ := os.ReadFile(c.log)
			t.Logf("process %d: %v\n%s", c.pid(), c.cmd.ProcessState, text)
		}
	})
	return c
}

// freeAddress returns an address that stays free until somebody listens there, or the
// test ends: the kernel gives its port to nobody else.
func freeAddress(t *testing.T) string {
	t.Helper()
	port := must(loopback.Reserve())(t)
	t.Cleanup(func() { _ = port.Release() })
	return fmt.Sprint("127.0.0.1:", port.Number)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// awaitExit waits for the end and returns the exit code.
func (c *child) awaitExit() int {
	c.t.Helper()
	select {
	case <-c.exited:
	case <-time.After(patience):
		c.t.Fatalf("process %d does not end", c.pid())
	}
	return c.cmd.ProcessState.ExitCode()
}

// get returns what the process answers, if it does.
func (c *child) get(path string) (code int, body string) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+path, nil))(c.t)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// status returns what /clusters answers, or a zero one.
func (c *child) status() (s api.Status) {
	_, body := c.get("/clusters")
	if json.Unmarshal([]byte(body), &s) != nil || s.Election == nil {
		return api.Status{Election: &api.Election{}}
	}
	return s
}

// await waits until ok holds.
func (c *child) await(what string, ok func() bool) {
	c.t.Helper()
	err := wait.PollUntilContextTimeout(c.t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return ok(), nil
	})
	if err != nil {
		c.t.Fatalf("%s: did not come about; %+v", what, c.status())
	}
}

func (c *child) awaitRole(role string) {
	c.t.Helper()
	c.await(fmt.Sprintf("process %d is %s", c.pid(), role), func() bool { return c.status().Election.Role == role })
}

// awaitLive waits until the process delivers.
func (c *child) awaitLive() {
	c.t.Helper()
	c.await("its streams are live", func() bool {
		s := c.status()
		return len(s.Clusters) == 1 && len(s.Clusters[0].Streams) == 1 && s.Clusters[0].Streams[0].State == "live"
	})
}

// stampers returns the processes that wrote to the stamps of a folder, in their
// order: each once for as long as no other does.
func stampers(t *testing.T, dir string) (pids []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "stamps"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		pid, _, _ := strings.Cut(line, " ")
		if len(pids) == 0 || pids[len(pids)-1] != pid {
			pids = append(pids, pid)
		}
	}
	return pids
}
