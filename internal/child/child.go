package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Process is a child that was started. A nil one was never: it does not run, and can
// be stopped and killed.
type Process struct {
	name, log string
	cmd       *exec.Cmd
	exited    chan struct{} // closed when it has ended
	err       error         // how; to be read after that
}

// Start starts a command, with all that it writes added to the file log. Of its
// SysProcAttr the Credential counts. Errors call it by its name. Whoever starts it sees to its end, with Stop or Kill.
func Start(name string, cmd *exec.Cmd, log string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer file.Close() //nolint:errcheck // The child has a descriptor of its own.

	p := &Process{name: name, log: log, cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = file, file
	own := attributes()
	if cmd.SysProcAttr != nil {
		own.Credential = cmd.SysProcAttr.Credential // the user that it runs as
	}
	cmd.SysProcAttr = own
	started := make(chan error, 1)
	go func() {
		// Linux ends the child when the thread that made it ends, not when the
		// process does: so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Pid returns the process's number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log returns the path of the file that holds what it writes.
func (p *Process) Log() string { return p.log }

// Exited is closed when the child has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Running reports whether the child has not ended yet.
func (p *Process) Running() bool {
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

// Signal sends s. A child that has ended is no error.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, p.name, err)
	}
	return nil
}

// Pause freezes the child until Resume. The signal alone leaves threads that run on
// other cores a moment, enough for an answer; when Pause returns, none runs.
func (p *Process) Pause() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil || !p.Running() {
		return err
	}
	return awaitStopped(p.Pid())
}

// Resume ends Pause.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Stop asks the child to end, and returns when it has. Ending otherwise than with
// exit code 0 is an error, and so is to have ended before it was asked, and not to
// end within grace, when it is killed.
func (p *Process) Stop(grace time.Duration) error {
	if p == nil {
		return nil
	}
	if !p.Running() {
		return p.EndedByItself()
	}
	// One that is paused would not see the request to end.
	if err := errors.Join(p.Signal(syscall.SIGTERM), p.Signal(syscall.SIGCONT)); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		err := fmt.Errorf("%s had not ended %v after SIGTERM and was killed; the end of its log:\n%s", p.name, grace, p.LogTail())
		return errors.Join(err, p.Kill())
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w after SIGTERM; the end of its log:\n%s", p.name, p.err, p.LogTail())
	}
	return nil
}

// Kill ends the child with SIGKILL if it has not ended, and returns when it has.
func (p *Process) Kill() error {
	if !p.Running() {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// EndedBy reports whether the child, which has ended, was ended by a signal.
func (p *Process) EndedBy(s syscall.Signal) bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}

// ExitCode is that of the child, which has ended; -1 if a signal has ended it.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// EndedByItself is the error that the child, which has ended, was not asked to.
func (p *Process) EndedByItself() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended by itself with %s; the end of its log:\n%s", p.name, how, p.LogTail())
}

// LogTail returns the last lines that the child has written, indented.
func (p *Process) LogTail() string {
	const most = 40
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  | " + strings.Join(lines[max(0, len(lines)-most):], "\n  | ")
}
