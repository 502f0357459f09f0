package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is the running fairlead.
type child struct {
	cmd     *exec.Cmd
	logPath string

	exited chan struct{} // closed when it has ended
	err    error         // how; to be read after that
}

// startChild starts program with all its output in the file logPath.
func startChild(program string, args []string, logPath string) (*child, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, fmt.Errorf("start fairlead: %w", err)
	}
	defer log.Close() //nolint:errcheck // The child has a descriptor of its own.

	//nolint:noctx // It is ended by a signal, in its own time.
	c := &child{cmd: exec.Command(program, args...), logPath: logPath, exited: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = log, log
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

// stop sends SIGTERM and waits. Ending otherwise than with exit code 0 is an
// error, and so is not ending within grace, when it is killed.
func (c *child) stop(grace time.Duration) error {
	select {
	case <-c.exited:
		return c.endedByItself()
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop fairlead: %w", err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		c.kill()
		return fmt.Errorf("fairlead had not ended %v after SIGTERM and was killed; the end of its log:\n%s", grace, c.logTail())
	}
	if c.err != nil {
		return fmt.Errorf("fairlead ended with %w after SIGTERM; the end of its log:\n%s", c.err, c.logTail())
	}
	return nil
}

// kill ends the child if it has not ended.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // It fails only where there is nothing to kill.
	<-c.exited
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

// waitUntil asks done every now and then until it returns nil. When ctx ends
// before, the error says why it did, and what done said last.
func waitUntil(ctx context.Context, every time.Duration, done func() error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last error
	for {
		err := done()
		if err == nil {
			return nil
		}
		// That done was interrupted by the end of ctx says nothing new.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

// freeAddresses returns n different addresses of the loopback on which nobody
// listens. They are not from the range that the kernel gives to outgoing
// connections, so that none of those takes one before the child does.
func freeAddresses(n int) ([]string, error) {
	var addresses []string
	var held []net.Listener // until all are found, so that they differ
	defer func() {
		for _, listener := range held {
			_ = listener.Close() // Nothing was accepted.
		}
	}()
	for range 100 {
		if len(addresses) == n {
			return addresses, nil
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(10000)))
		var config net.ListenConfig
		listener, err := config.Listen(context.Background(), "tcp", address)
		if err != nil {
			continue // Taken.
		}
		held = append(held, listener)
		addresses = append(addresses, address)
	}
	return nil, errors.New("find free ports of 127.0.0.1 between 20000 and 30000: none in 100 attempts")
}
