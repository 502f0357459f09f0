package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is one running server.
type process struct {
	cmd     *exec.Cmd
	logPath string
	exited  chan struct{} // closed when the process is gone
}

// startProcess runs a program with its output appended to logPath.
func startProcess(logPath, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", filepath.Base(program), err)
	}
	defer log.Close() //nolint:errcheck // The child has a descriptor of its own.

	p := &process{
		cmd:     exec.Command(program, args...), //nolint:noctx // It outlives the call that starts it.
		logPath: logPath,
		exited:  make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = childAttributes()
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the thread that made it ends, not when the
		// process does: so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // Ended by a signal, in nearly every case.
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

// running reports whether the process has not ended yet.
func (p *process) running() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends s. A process that has ended is no error.
func (p *process) signal(s syscall.Signal) error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, filepath.Base(p.cmd.Path), err)
	}
	return nil
}

// pause freezes the process. The signal alone leaves threads that run on other
// cores a moment, enough for an answer.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil || !p.running() {
		return err
	}
	return awaitStopped(p.cmd.Process.Pid)
}

// stop asks the process to end, and after grace makes it. It returns when the
// process is gone.
func (p *process) stop(grace time.Duration) error {
	if !p.running() {
		return nil
	}
	if grace > 0 {
		// A paused process would not see the request to end.
		if err := errors.Join(p.signal(syscall.SIGTERM), p.signal(syscall.SIGCONT)); err != nil {
			return err
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.exited:
			return nil
		case <-timer.C:
		}
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// logTail returns the end of what the process has written, for an error message.
func (p *process) logTail() string {
	const most = 2000 // bytes
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}
