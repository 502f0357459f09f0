package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// child is a running fairlead.
type child struct {
	cmd      *exec.Cmd
	logPath  string
	expected atomic.Bool // that it ends

	exited chan struct{} // closed when it has ended
	err    error         // how; to be read after that
}

// startChild starts a program with all its output added to the file logPath.
func startChild(logPath, program string, args ...string) (*child, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start fairlead: %w", err)
	}
	defer log.Close() //nolint:errcheck // The child has a descriptor of its own.

	c := &child{
		cmd:     exec.Command(program, args...), //nolint:noctx // It outlives the call that starts it.
		logPath: logPath,
		exited:  make(chan struct{}),
	}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// Of a program that was built with the race detector.
	c.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	c.cmd.SysProcAttr = childAttributes()
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the thread that made it ends, not when the
		// process does: so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.exited)
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start fairlead: %w", err)
	}
	return c, nil
}

// terminate sends SIGTERM and waits. Ending otherwise than with exit code 0 is an
// error, unless the child is so young that it may not handle signals yet; and so is
// not ending within grace, when it is killed.
func (c *child) terminate(grace time.Duration, young bool) error {
	c.expected.Store(true)
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop fairlead: %w", err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		_ = c.kill() // It has failed already.
		return fmt.Errorf("fairlead had not ended %v after SIGTERM and was killed; the end of its log:\n%s", grace, c.logTail())
	}
	if c.err != nil && !(young && c.endedBy(syscall.SIGTERM)) {
		return fmt.Errorf("fairlead ended with %w after SIGTERM; the end of its log:\n%s", c.err, c.logTail())
	}
	return nil
}

// kill is kill -9. It fails if the child has ended in any other way.
func (c *child) kill() error {
	c.expected.Store(true)
	_ = c.cmd.Process.Kill() // It fails only where there is nothing to kill.
	<-c.exited
	return c.wasKilled()
}

// wasKilled returns nil if the child, which has ended, was ended by SIGKILL.
func (c *child) wasKilled() error {
	if c.endedBy(syscall.SIGKILL) {
		return nil
	}
	return c.endedByItself()
}

func (c *child) endedBy(signal syscall.Signal) bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// endedByItself says so. The child has exited.
func (c *child) endedByItself() error {
	how := "exit status 0"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Errorf("fairlead ended by itself with %s; the end of its log:\n%s", how, c.logTail())
}

// logTail returns the last lines that the child has written, indented.
func (c *child) logTail() string {
	const most = 40
	text, err := os.ReadFile(c.logPath)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  | " + strings.Join(lines[max(0, len(lines)-most):], "\n  | ")
}
