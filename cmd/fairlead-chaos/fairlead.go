package main

import (
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
)

// fairlead is a running one.
type fairlead struct {
	*child.Process
	expected atomic.Bool // that it ends
}

// startFairlead starts a program as fairlead, with all its output added to the
// file log.
func startFairlead(log, program string, args ...string) (*fairlead, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // It outlives the call that starts it.
	// Of a program that was built with the race detector.
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	p, err := child.Start("fairlead", cmd, log)
	if err != nil {
		return nil, err
	}
	return &fairlead{Process: p}, nil
}

// terminate is Stop. But one that is so young that it may not handle signals yet
// may be ended by SIGTERM.
func (f *fairlead) terminate(grace time.Duration, young bool) error {
	f.expected.Store(true)
	err := f.Stop(grace)
	if err != nil && young && !f.Running() && f.EndedBy(syscall.SIGTERM) {
		return nil
	}
	return err
}

// kill is kill -9. It fails if the process has ended in any other way.
func (f *fairlead) kill() error {
	f.expected.Store(true)
	if err := f.Kill(); err != nil || f.EndedBy(syscall.SIGKILL) {
		return err
	}
	return f.EndedByItself()
}
